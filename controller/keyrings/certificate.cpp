// SPDX-License-Identifier: Apache-2.0
#include "controller/keyrings/certificate.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <memory>

namespace keyscribe::keyrings {
namespace {

struct Deleter {
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509_PUBKEY* key) const { X509_PUBKEY_free(key); }
    void operator()(BIO* bio) const { BIO_free(bio); }
    void operator()(BIGNUM* number) const { BN_free(number); }
    void operator()(char* text) const { OPENSSL_free(text); }
    void operator()(unsigned char* bytes) const { OPENSSL_free(bytes); }
};
template <class T>
using Owned = std::unique_ptr<T, Deleter>;

/// Whatever OpenSSL says of foreign bytes is no error of this thread.
struct QuietErrors {
    QuietErrors() { ERR_set_mark(); }
    ~QuietErrors() { ERR_pop_to_mark(); }
};

Owned<X509> read(Bytes der) {
    const unsigned char* at = der.data();
    Owned<X509> certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    if (!certificate || at != der.data() + der.size()) return nullptr;
    return certificate;
}

std::string name_text(const X509_NAME* name) {
    const Owned<BIO> bio(BIO_new(BIO_s_mem()));
    if (!bio || X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0) return {};
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

std::vector<std::uint8_t> name_bytes(const X509_NAME* name) {
    const unsigned char* der = nullptr;
    std::size_t size = 0;
    if (X509_NAME_get0_der(name, &der, &size) != 1) return {};
    return {der, der + size};
}

bool read_time(const ASN1_TIME* time, std::int64_t& seconds) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) return false;
    seconds = ::timegm(&parts);
    return true;
}

std::vector<std::uint8_t> bytes_of(const ASN1_OCTET_STRING* string) {
    if (string == nullptr) return {};
    const unsigned char* data = ASN1_STRING_get0_data(string);
    return {data, data + ASN1_STRING_length(string)};
}

std::string serial_text(const X509* certificate) {
    const Owned<BIGNUM> number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
    const Owned<char> hex(number ? BN_bn2hex(number.get()) : nullptr);
    return hex ? hex.get() : "";
}

std::string algorithm_text(const X509* certificate) {
    const EVP_PKEY* key = X509_get0_pubkey(certificate);
    if (key == nullptr) return "unknown";
    char group[64] = "";
    if (EVP_PKEY_is_a(key, "EC") == 1 &&
        EVP_PKEY_get_group_name(key, group, sizeof group, nullptr) == 1)
        return std::string("EC ") + group;
    if (EVP_PKEY_is_a(key, "RSA") == 1) return "RSA " + std::to_string(EVP_PKEY_get_bits(key));
    const char* name = EVP_PKEY_get0_type_name(key);
    return name != nullptr ? name : "unknown";
}

bool read_public_key(X509_PUBKEY* key, Certificate& certificate) {
    const unsigned char* bits = nullptr;
    int size = 0;
    if (key == nullptr || X509_PUBKEY_get0_param(nullptr, &bits, &size, nullptr, key) != 1)
        return false;
    certificate.fingerprint = sha256({bits, static_cast<std::size_t>(size)});
    unsigned char* der = nullptr;
    const int length = i2d_X509_PUBKEY(key, &der);
    const Owned<unsigned char> owner(der);
    if (length <= 0) return false;
    certificate.public_key.assign(der, der + length);
    return true;
}

}  // namespace

std::expected<Certificate, std::string> parse_certificate(Bytes payload) {
    const QuietErrors quiet;
    // A certificate is a SEQUENCE; what is none is told so without OpenSSL.
    if (payload.empty() || payload[0] != 0x30) return std::unexpected("not DER");
    const Owned<X509> x509 = read(payload);
    if (!x509) return std::unexpected("not an X.509 certificate");
    Certificate certificate;
    certificate.subject = name_text(X509_get_subject_name(x509.get()));
    certificate.issuer = name_text(X509_get_issuer_name(x509.get()));
    certificate.raw_subject = name_bytes(X509_get_subject_name(x509.get()));
    certificate.raw_issuer = name_bytes(X509_get_issuer_name(x509.get()));
    certificate.serial = serial_text(x509.get());
    if (!read_time(X509_get0_notBefore(x509.get()), certificate.not_before) ||
        !read_time(X509_get0_notAfter(x509.get()), certificate.not_after))
        return std::unexpected("a certificate whose dates are malformed");
    if (!read_public_key(X509_get_X509_PUBKEY(x509.get()), certificate))
        return std::unexpected("a certificate without a public key");
    certificate.subject_key_id = bytes_of(X509_get0_subject_key_id(x509.get()));
    certificate.authority_key_id = bytes_of(X509_get0_authority_key_id(x509.get()));
    certificate.algorithm = algorithm_text(x509.get());
    certificate.sha256 = sha256(payload);
    return certificate;
}

bool is_signed_by(Bytes der, Bytes public_key) {
    const QuietErrors quiet;
    const Owned<X509> x509 = read(der);
    const unsigned char* at = public_key.data();
    const Owned<EVP_PKEY> key(d2i_PUBKEY(nullptr, &at, static_cast<long>(public_key.size())));
    return x509 && key && X509_verify(x509.get(), key.get()) == 1;
}

std::vector<std::uint8_t> public_key_info(std::string_view algorithm, Bytes key) {
    const QuietErrors quiet;
    int curve = NID_undef;
    if (algorithm == "ecdsa-nist-p192") curve = NID_X9_62_prime192v1;
    if (algorithm == "ecdsa-nist-p256") curve = NID_X9_62_prime256v1;
    if (algorithm == "ecdsa-nist-p384") curve = NID_secp384r1;
    if (algorithm == "ecdsa-nist-p521") curve = NID_secp521r1;
    const bool rsa = algorithm == "rsa";
    if ((!rsa && curve == NID_undef) || key.empty()) return {};
    const Owned<X509_PUBKEY> info(X509_PUBKEY_new());
    auto* bits = static_cast<unsigned char*>(OPENSSL_memdup(key.data(), key.size()));
    if (!info || bits == nullptr ||
        X509_PUBKEY_set0_param(info.get(),
                               OBJ_nid2obj(rsa ? NID_rsaEncryption : NID_X9_62_id_ecPublicKey),
                               rsa ? V_ASN1_NULL : V_ASN1_OBJECT,
                               rsa ? nullptr : static_cast<void*>(OBJ_nid2obj(curve)), bits,
                               static_cast<int>(key.size())) != 1) {
        OPENSSL_free(bits);
        return {};
    }
    unsigned char* der = nullptr;
    const int size = i2d_X509_PUBKEY(info.get(), &der);
    const Owned<unsigned char> owner(der);
    return size > 0 ? std::vector<std::uint8_t>(der, der + size) : std::vector<std::uint8_t>();
}

}  // namespace keyscribe::keyrings
