// SPDX-License-Identifier: Apache-2.0
#include "controller/keyrings/public_key.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "controller/keyrings/quiet_errors.h"

namespace keyscribe::keyrings {
namespace {

struct FreePart {
    void operator()(X509_PUBKEY* key) const { X509_PUBKEY_free(key); }
    void operator()(BIGNUM* number) const { BN_free(number); }
    void operator()(unsigned char* bytes) const { OPENSSL_free(bytes); }
};
template <class T>
using Part = std::unique_ptr<T, FreePart>;

constexpr int kMaxExponentBits = 64;

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

std::vector<std::uint8_t> public_key_info(std::string_view algorithm, Bytes key) {
    const QuietErrors quiet;
    int curve = NID_undef;
    if (algorithm == "ecdsa-nist-p192") curve = NID_X9_62_prime192v1;
    if (algorithm == "ecdsa-nist-p256") curve = NID_X9_62_prime256v1;
    if (algorithm == "ecdsa-nist-p384") curve = NID_secp384r1;
    if (algorithm == "ecdsa-nist-p521") curve = NID_secp521r1;
    const bool rsa = algorithm == "rsa";
    if ((!rsa && curve == NID_undef) || key.empty()) return {};
    const Part<X509_PUBKEY> info(X509_PUBKEY_new());
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
    const Part<unsigned char> owner(der);
    return size > 0 ? std::vector<std::uint8_t>(der, der + size) : std::vector<std::uint8_t>();
}

}  // namespace keyscribe::keyrings
