// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/credential.h"

#include <openssl/core_names.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <memory>

#include "controller/base/wiped_bytes.h"
#include "controller/keyrings/public_key.h"
#include "controller/service/appraise/openssl.h"
#include "controller/service/verifier/tpm_keys.h"

namespace keyscribe::verifier {
namespace {

using appraise::Owned;
using Buffer = std::vector<std::uint8_t>;

struct Hash {
    Algorithm algorithm;
    const EVP_MD* md;
    const char* name;
};

Hash hash_of(TPMI_ALG_HASH name_algorithm) {
    if (name_algorithm == TPM2_ALG_SHA384) return {Algorithm::kSha384, EVP_sha384(), "SHA384"};
    return {Algorithm::kSha256, EVP_sha256(), "SHA256"};
}

void put_be16(auto& to, std::size_t value) {
    to.push_back(static_cast<std::uint8_t>(value >> 8));
    to.push_back(static_cast<std::uint8_t>(value));
}

void put_be32(auto& to, std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8)
        to.push_back(static_cast<std::uint8_t>(value >> shift));
}

void put(auto& to, Bytes bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

WipedBytes hmac(const Hash& hash, Bytes key, Bytes message) {
    WipedBytes digest(size_of(hash.algorithm));
    unsigned size = 0;
    ::HMAC(hash.md, key.data(), static_cast<int>(key.size()), message.data(), message.size(),
           digest.data(), &size);
    return digest;
}

/// 11.4.10.2; `bits` is never more than one digest here. The label is hashed with its NUL.
WipedBytes kdfa(const Hash& hash, Bytes key, std::string_view label, Bytes context, unsigned bits) {
    Buffer message;
    put_be32(message, 1);
    put(message, as_bytes(label));
    message.push_back(0);
    put(message, context);
    put_be32(message, bits);
    WipedBytes derived = hmac(hash, key, message);
    derived.resize(bits / 8);
    return derived;
}

/// 11.4.10.3
WipedBytes kdfe(const Hash& hash, Bytes z, std::string_view label, Bytes u, Bytes v) {
    WipedBytes message;
    put_be32(message, 1);
    put(message, z);
    put(message, as_bytes(label));
    message.push_back(0);
    put(message, u);
    put(message, v);
    const Digest digest = base::hash(hash.algorithm, message);
    return {digest.bytes.begin(), digest.bytes.begin() + digest.size};
}

Buffer aes_cfb(Bytes key, Bytes plain) {
    const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
        EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
    constexpr std::array<std::uint8_t, 16> kZeros{};
    Buffer sealed(plain.size());
    int size = 0;
    const EVP_CIPHER* cipher = key.size() == 16 ? EVP_aes_128_cfb128() : EVP_aes_256_cfb128();
    if (EVP_EncryptInit_ex(context.get(), cipher, nullptr, key.data(), kZeros.data()) != 1 ||
        EVP_EncryptUpdate(context.get(), sealed.data(), &size, plain.data(),
                          static_cast<int>(plain.size())) != 1)
        return {};
    return sealed;
}

struct Seed {
    WipedBytes value;
    Buffer sealed;  ///< what stands in TPM2B_ENCRYPTED_SECRET
};

constexpr std::string_view kIdentity{"IDENTITY", 8};

/// B.10.4: OAEP with the label and its NUL.
std::optional<Seed> rsa_seed(EVP_PKEY* ek, const Hash& hash) {
    Seed seed;
    seed.value.resize(size_of(hash.algorithm));
    if (RAND_priv_bytes(seed.value.data(), static_cast<int>(seed.value.size())) != 1)
        return std::nullopt;
    const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(ek, nullptr));
    auto* label = static_cast<char*>(OPENSSL_zalloc(kIdentity.size() + 1));
    std::ranges::copy(kIdentity, label);
    std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(ek));
    seed.sealed.resize(size);
    const bool done = EVP_PKEY_encrypt_init(context.get()) == 1 &&
                      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1 &&
                      EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), hash.md) == 1 &&
                      EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), hash.md) == 1 &&
                      EVP_PKEY_CTX_set0_rsa_oaep_label(
                          context.get(), label, static_cast<int>(kIdentity.size() + 1)) == 1 &&
                      EVP_PKEY_encrypt(context.get(), seed.sealed.data(), &size, seed.value.data(),
                                       seed.value.size()) == 1;
    if (!done) return std::nullopt;
    seed.sealed.resize(size);
    return seed;
}

Buffer coordinate(EVP_PKEY* key, const char* name, std::size_t size) {
    BIGNUM* found = nullptr;
    if (EVP_PKEY_get_bn_param(key, name, &found) != 1) return {};
    const Owned<BIGNUM> owned(found);
    Buffer bytes(size);
    BN_bn2binpad(found, bytes.data(), static_cast<int>(size));
    return bytes;
}

/// C.6.4: one-pass Diffie-Hellman; the ephemeral point is what is sent.
std::optional<Seed> ecc_seed(EVP_PKEY* ek, const Hash& hash) {
    const Owned<EVP_PKEY_CTX> making(EVP_PKEY_CTX_new(ek, nullptr));
    EVP_PKEY* made = nullptr;
    if (EVP_PKEY_keygen_init(making.get()) != 1 || EVP_PKEY_keygen(making.get(), &made) != 1)
        return std::nullopt;
    const Owned<EVP_PKEY> ephemeral(made);
    const Owned<EVP_PKEY_CTX> deriving(EVP_PKEY_CTX_new(made, nullptr));
    const std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_bits(ek) + 7) / 8;
    WipedBytes z(size);
    std::size_t derived = size;
    if (EVP_PKEY_derive_init(deriving.get()) != 1 ||
        EVP_PKEY_derive_set_peer(deriving.get(), ek) != 1 ||
        EVP_PKEY_derive(deriving.get(), z.data(), &derived) != 1 || derived != size)
        return std::nullopt;
    const Buffer x = coordinate(made, OSSL_PKEY_PARAM_EC_PUB_X, size);
    const Buffer y = coordinate(made, OSSL_PKEY_PARAM_EC_PUB_Y, size);
    Seed seed;
    seed.value = kdfe(hash, z, kIdentity, x, coordinate(ek, OSSL_PKEY_PARAM_EC_PUB_X, size));
    for (const Buffer* one : {&x, &y}) put_be16(seed.sealed, size), put(seed.sealed, *one);
    return seed;
}

}  // namespace

Result<Credential> make_credential(const TPMT_PUBLIC& ek, Bytes name, const Sha256& value) {
    const auto der = public_key_der(ek, "ek.public");
    if (!der) return std::unexpected(der.error());
    const keyrings::PublicKey key = keyrings::read_public_key(*der);
    const Hash hash = hash_of(ek.nameAlg);
    const bool rsa = ek.type == TPM2_ALG_RSA;
    const auto seed = rsa ? rsa_seed(key.get(), hash) : ecc_seed(key.get(), hash);
    if (!seed) return fail("OpenSSL cannot make a credential for this key", "ek.public");
    const unsigned cipher_bits = rsa ? ek.parameters.rsaDetail.symmetric.keyBits.aes
                                     : ek.parameters.eccDetail.symmetric.keyBits.aes;
    const WipedBytes cipher_key = kdfa(hash, seed->value, "STORAGE", name, cipher_bits);
    WipedBytes plain;
    put_be16(plain, value.size());
    put(plain, value);
    const Buffer identity = aes_cfb(cipher_key, plain);
    if (identity.empty()) return fail("OpenSSL cannot encrypt by AES in CFB", "ek.public");
    const auto bits = static_cast<unsigned>(8 * size_of(hash.algorithm));
    const WipedBytes hmac_key = kdfa(hash, seed->value, "INTEGRITY", {}, bits);
    Buffer covered = identity;
    put(covered, name);
    const WipedBytes integrity = hmac(hash, hmac_key, covered);

    Credential made;
    put_be16(made.blob, 2 + integrity.size() + identity.size());
    put_be16(made.blob, integrity.size());
    put(made.blob, integrity);
    put(made.blob, identity);
    put_be16(made.secret, seed->sealed.size());
    put(made.secret, seed->sealed);
    return made;
}

}  // namespace keyscribe::verifier
