// SPDX-License-Identifier: Apache-2.0
#include "controller/keyrings/public_key.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <iterator>

#include "controller/keyrings/quiet_errors.h"

namespace keyscribe::keyrings {
namespace {

struct FreePart {
    void operator()(X509_PUBKEY* key) const { X509_PUBKEY_free(key); }
    void operator()(BIGNUM* number) const { BN_free(number); }
    void operator()(unsigned char* bytes) const { OPENSSL_free(bytes); }
    void operator()(ASN1_OBJECT* object) const { ASN1_OBJECT_free(object); }
};
template <class T>
using Part = std::unique_ptr<T, FreePart>;

constexpr int kMaxExponentBits = 64;

/// An algorithm as the kernel calls it, and its AlgorithmIdentifier: RFC 3279, 5480 and 9881.
struct KernelAlgorithm {
    std::string_view name;
    const char* identifier;
    const char* curve = nullptr;
};
constexpr const char* kEcPublicKey = "1.2.840.10045.2.1";
constexpr KernelAlgorithm kAlgorithms[] = {
    {"rsa", "1.2.840.113549.1.1.1"},
    {"ecdsa-nist-p192", kEcPublicKey, "1.2.840.10045.3.1.1"},
    {"ecdsa-nist-p256", kEcPublicKey, "1.2.840.10045.3.1.7"},
    {"ecdsa-nist-p384", kEcPublicKey, "1.3.132.0.34"},
    {"ecdsa-nist-p521", kEcPublicKey, "1.3.132.0.35"},
    {"sm2", kEcPublicKey, "1.2.156.10197.1.301"},
    {"mldsa44", "2.16.840.1.101.3.4.3.17"},
    {"mldsa65", "2.16.840.1.101.3.4.3.18"},
    {"mldsa87", "2.16.840.1.101.3.4.3.19"},
};

bool has_long_exponent(const EVP_PKEY* key) {
    if (EVP_PKEY_is_a(key, "RSA") != 1) return false;
    BIGNUM* exponent = nullptr;
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) != 1) return true;
    const Part<BIGNUM> owner(exponent);
    return BN_num_bits(exponent) > kMaxExponentBits;
}

}  // namespace

void FreePublicKey::operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }

PublicKey read_public_key(Bytes spki) {
    const QuietErrors quiet;
    const unsigned char* at = spki.data();
    PublicKey key(spki.empty() ? nullptr
                               : d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
    if (!key || has_long_exponent(key.get())) return nullptr;
    return key;
}

std::vector<std::uint8_t> canonical_spki(EVP_PKEY* key) {
    const QuietErrors quiet;
    if (EVP_PKEY_is_a(key, "EC") &&
        (EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                        "uncompressed") != 1 ||
         EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, "named_curve") != 1))
        return {};
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key, &der);
    const Part<unsigned char> owned(der);
    return size > 0 ? std::vector<std::uint8_t>(der, der + size) : std::vector<std::uint8_t>();
}

std::vector<std::uint8_t> public_key_info(std::string_view algorithm, Bytes key) {
    const QuietErrors quiet;
    const auto known = std::ranges::find(kAlgorithms, algorithm, &KernelAlgorithm::name);
    if (known == std::end(kAlgorithms) || key.empty()) return {};
    // By number: OpenSSL before 3.5 has no names for ML-DSA.
    Part<ASN1_OBJECT> identifier(OBJ_txt2obj(known->identifier, 1));
    Part<ASN1_OBJECT> curve(known->curve == nullptr ? nullptr : OBJ_txt2obj(known->curve, 1));
    Part<unsigned char> bits(static_cast<unsigned char*>(OPENSSL_memdup(key.data(), key.size())));
    const Part<X509_PUBKEY> info(X509_PUBKEY_new());
    const int parameters = known->curve != nullptr ? V_ASN1_OBJECT
                           : algorithm == "rsa"    ? V_ASN1_NULL
                                                   : V_ASN1_UNDEF;
    if (!info || !identifier || !bits ||
        X509_PUBKEY_set0_param(info.get(), identifier.get(), parameters, curve.get(), bits.get(),
                               static_cast<int>(key.size())) != 1)
        return {};
    (void)identifier.release(), (void)curve.release(), (void)bits.release();
    unsigned char* der = nullptr;
    const int size = i2d_X509_PUBKEY(info.get(), &der);
    const Part<unsigned char> owner(der);
    return size > 0 ? std::vector<std::uint8_t>(der, der + size) : std::vector<std::uint8_t>();
}

}  // namespace keyscribe::keyrings
