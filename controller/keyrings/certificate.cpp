// SPDX-License-Identifier: Apache-2.0
#include "controller/keyrings/certificate.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cctype>
#include <cstdlib>
#include <memory>

#include "controller/base/utf8.h"
#include "controller/keyrings/certificate_view.h"
#include "controller/keyrings/quiet_errors.h"

namespace keyscribe::keyrings {
namespace {

struct Deleter {
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509_NAME* name) const { X509_NAME_free(name); }
    void operator()(BIO* bio) const { BIO_free(bio); }
    void operator()(BIGNUM* number) const { BN_free(number); }
    void operator()(char* text) const { OPENSSL_free(text); }
};
template <class T>
using Owned = std::unique_ptr<T, Deleter>;

Owned<X509> read(Bytes der) {
    const unsigned char* at = der.data();
    Owned<X509> certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    if (!certificate || at != der.data() + der.size()) return nullptr;
    return certificate;
}

/// RFC 2253 as OpenSSL writes it, but in UTF-8. What is not seen as itself is spelled out as RFC
/// 2253 spells bytes: a backslash and two digits.
std::string name_text(Bytes name) {
    const unsigned char* at = name.data();
    const Owned<X509_NAME> parsed(d2i_X509_NAME(nullptr, &at, static_cast<long>(name.size())));
    const Owned<BIO> bio(BIO_new(BIO_s_mem()));
    constexpr unsigned long kUtf8 = XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB;
    if (!parsed || !bio) return {};
    // A string that is not of its type cannot become UTF-8: its bytes are spelled out.
    if (X509_NAME_print_ex(bio.get(), parsed.get(), 0, kUtf8) < 0 &&
        (BIO_reset(bio.get()) < 0 ||
         X509_NAME_print_ex(bio.get(), parsed.get(), 0,
                            XN_FLAG_RFC2253 & ~ASN1_STRFLGS_UTF8_CONVERT) < 0))
        return {};
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    std::string text;
    for (std::string_view rest(data, static_cast<std::size_t>(size)); !rest.empty();) {
        const auto next = first_character(rest);
        const std::string_view bytes = rest.substr(0, next ? next->size : 1);
        const bool seen = next && (next->code == ' ' || !is_unseen(next->code));
        if (seen) text += bytes;
        if (!seen)
            for (const char byte : bytes) {
                text += '\\';
                for (const char digit : to_hex(as_bytes({&byte, 1})))
                    text += static_cast<char>(std::toupper(digit));
            }
        rest.remove_prefix(bytes.size());
    }
    return text;
}

/// Without leading zeros, as OpenSSL prints a BIGNUM; a negative one with its sign.
std::string serial_text(Bytes serial) {
    const Owned<BIGNUM> number(BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
    if (number && !serial.empty() && (serial[0] & 0x80) != 0) {
        const Owned<BIGNUM> range(BN_new());
        if (!range || BN_set_bit(range.get(), static_cast<int>(8 * serial.size())) != 1 ||
            BN_sub(number.get(), number.get(), range.get()) != 1)
            return {};
    }
    const Owned<char> hex(number ? BN_bn2hex(number.get()) : nullptr);
    return hex ? hex.get() : "";
}

std::string algorithm_text(Bytes spki) {
    const unsigned char* at = spki.data();
    const Owned<EVP_PKEY> key(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
    if (!key) return "unknown";
    char group[64] = "";
    if (EVP_PKEY_is_a(key.get(), "EC") == 1 &&
        EVP_PKEY_get_group_name(key.get(), group, sizeof group, nullptr) == 1)
        return std::string("EC ") + group;
    if (EVP_PKEY_is_a(key.get(), "RSA") == 1)
        return "RSA " + std::to_string(EVP_PKEY_get_bits(key.get()));
    const char* name = EVP_PKEY_get0_type_name(key.get());
    return name != nullptr ? name : "unknown";
}

std::vector<std::uint8_t> copy(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

/// The family of a signature algorithm that this OpenSSL may not know, by its object identifier:
/// FIPS 204 and 205 (2.16.840.1.101.3.4.3.17 to 46), otherwise in digits.
std::string family_of(const ASN1_OBJECT* algorithm) {
    constexpr std::string_view kNist = "2.16.840.1.101.3.4.3.";
    char digits[128] = "";
    OBJ_obj2txt(digits, sizeof digits, algorithm, 1);
    const std::string_view text(digits);
    if (text.starts_with(kNist)) {
        const int arc = std::atoi(digits + kNist.size());
        if (arc >= 17 && arc <= 19) return "ML-DSA";
        if (arc >= 20 && arc <= 31) return "SLH-DSA";
        if (arc >= 32 && arc <= 34) return "HashML-DSA";
        if (arc >= 35 && arc <= 46) return "HashSLH-DSA";
    }
    char name[128] = "";
    OBJ_obj2txt(name, sizeof name, algorithm, 0);
    return name;
}

}  // namespace

std::expected<Certificate, std::string> parse_certificate(Bytes payload) {
    const QuietErrors quiet;
    if (payload.empty() || payload[0] != 0x30) return std::unexpected("not DER");
    const auto view = view_certificate(payload);
    if (!view) return std::unexpected("not an X.509 certificate");
    return Certificate{
        .subject = name_text(view->subject),
        .issuer = name_text(view->issuer),
        .serial = serial_text(view->serial),
        .not_before = view->not_before,
        .not_after = view->not_after,
        .subject_key_id = copy(view->subject_key_id.value_or(Bytes())),
        .authority_key_id = copy(view->authority_key_id.value_or(Bytes())),
        .algorithm = algorithm_text(view->spki),
        .sha256 = sha256(payload),
        .fingerprint = sha256(view->public_key),
        .public_key = copy(view->spki),
        .raw_subject = copy(view->subject),
        .raw_issuer = copy(view->issuer),
    };
}

std::string why_unverifiable(Bytes der) {
    const QuietErrors quiet;
    const Owned<X509> x509 = read(der);
    if (!x509) return "OpenSSL cannot read it";
    int digest = NID_undef, key = NID_undef;
    const ASN1_OBJECT* algorithm = nullptr;
    X509_ALGOR_get0(&algorithm, nullptr, nullptr, X509_get0_tbs_sigalg(x509.get()));
    const bool known = X509_get_signature_info(x509.get(), &digest, &key, nullptr, nullptr) == 1;
    // Two certificates with one signature can be made for these.
    if (known && digest == NID_sha1) return "it is signed with SHA-1";
    if (known && (digest == NID_md5 || digest == NID_md4 || digest == NID_md2))
        return std::string("it is signed with ") + OBJ_nid2sn(digest);
    if (!known || key == NID_undef)
        return family_of(algorithm) + " cannot be verified by this OpenSSL";
    return {};
}

}  // namespace keyscribe::keyrings
