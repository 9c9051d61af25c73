// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fleet_host.h"

#include <openssl/core_names.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <tss2/tss2_mu.h>

#include <algorithm>

#include "controller/base/base64.h"
#include "controller/service/appraise/openssl.h"

namespace keyscribe::testing {
namespace {

using appraise::Owned;

Buffer tpm2b(Bytes bytes) {
    Buffer sized{static_cast<std::uint8_t>(bytes.size() >> 8),
                 static_cast<std::uint8_t>(bytes.size())};
    sized.insert(sized.end(), bytes.begin(), bytes.end());
    return sized;
}

/// The TPM2B at the beginning of `rest`, which is then behind it.
Bytes take_tpm2b(Bytes& rest) {
    const std::size_t size = static_cast<std::size_t>(rest[0]) << 8 | rest[1];
    const Bytes taken = rest.subspan(2, size);
    rest = rest.subspan(2 + size);
    return taken;
}

Buffer hmac_sha256(Bytes key, Bytes message) {
    Buffer digest(32);
    unsigned size = 0;
    ::HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(), message.size(),
           digest.data(), &size);
    return digest;
}

Buffer kdfa_sha256(Bytes key, std::string_view label, Bytes context, unsigned bits) {
    Buffer message{0, 0, 0, 1};
    message.insert(message.end(), label.begin(), label.end());
    message.push_back(0);
    message.insert(message.end(), context.begin(), context.end());
    for (int shift = 24; shift >= 0; shift -= 8)
        message.push_back(static_cast<std::uint8_t>(bits >> shift));
    Buffer derived = hmac_sha256(key, message);
    derived.resize(bits / 8);
    return derived;
}

TPM2B_ECC_PARAMETER parameter(Bytes bytes) {
    TPM2B_ECC_PARAMETER made{};
    made.size = static_cast<UINT16>(bytes.size());
    std::ranges::copy(bytes, made.buffer);
    return made;
}

}  // namespace

EndorsementKey::EndorsementKey(bool ecc) : ecc_(ecc), key_(ecc ? ec_key("P-256") : rsa_key()) {}

Buffer EndorsementKey::tpm2b_public() const {
    TPM2B_PUBLIC made{};
    TPMT_PUBLIC& area = made.publicArea;
    area.nameAlg = TPM2_ALG_SHA256;
    area.objectAttributes = attributes;
    TPMT_SYM_DEF_OBJECT symmetric{};
    symmetric.algorithm = TPM2_ALG_AES;
    symmetric.keyBits.aes = 128;
    symmetric.mode.aes = TPM2_ALG_CFB;
    if (ecc_) {
        area.type = TPM2_ALG_ECC;
        area.parameters.eccDetail = {
            symmetric, {TPM2_ALG_NULL, {}}, TPM2_ECC_NIST_P256, {TPM2_ALG_NULL, {}}};
        const Buffer point = spki_bits(key_.get());
        area.unique.ecc.x = parameter(Bytes(point).subspan(1, 32));
        area.unique.ecc.y = parameter(Bytes(point).subspan(33, 32));
    } else {
        area.type = TPM2_ALG_RSA;
        area.parameters.rsaDetail = {symmetric, {TPM2_ALG_NULL, {}}, 2048, 0};
        BIGNUM* n = nullptr;
        EVP_PKEY_get_bn_param(key_.get(), "n", &n);
        area.unique.rsa.size = static_cast<UINT16>(BN_num_bytes(n));
        BN_bn2bin(n, area.unique.rsa.buffer);
        BN_free(n);
    }
    Buffer bytes(sizeof(TPM2B_PUBLIC));
    std::size_t size = 0;
    Tss2_MU_TPM2B_PUBLIC_Marshal(&made, bytes.data(), bytes.size(), &size);
    bytes.resize(size);
    return bytes;
}

Buffer EndorsementKey::seed_of(Bytes encrypted_secret) const {
    const Bytes sealed = take_tpm2b(encrypted_secret);
    const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key_.get(), nullptr));
    if (!ecc_) {
        auto* label = static_cast<char*>(OPENSSL_zalloc(9));
        std::copy_n("IDENTITY", 8, label);
        EVP_PKEY_decrypt_init(context.get());
        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING);
        EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), EVP_sha256());
        EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), EVP_sha256());
        EVP_PKEY_CTX_set0_rsa_oaep_label(context.get(), label, 9);
        Buffer seed(256);
        std::size_t size = seed.size();
        EVP_PKEY_decrypt(context.get(), seed.data(), &size, sealed.data(), sealed.size());
        seed.resize(size);
        return seed;
    }
    Bytes rest = sealed;
    const Bytes x = take_tpm2b(rest), y = take_tpm2b(rest);
    Buffer point{0x04};
    point.insert(point.end(), x.begin(), x.end());
    point.insert(point.end(), y.begin(), y.end());
    const Owned<EVP_PKEY> peer(EVP_PKEY_new());
    EVP_PKEY_copy_parameters(peer.get(), key_.get());
    EVP_PKEY_set1_encoded_public_key(peer.get(), point.data(), point.size());
    EVP_PKEY_derive_init(context.get());
    EVP_PKEY_derive_set_peer(context.get(), peer.get());
    Buffer z(32);
    std::size_t size = z.size();
    EVP_PKEY_derive(context.get(), z.data(), &size);
    Buffer message{0, 0, 0, 1};
    constexpr std::string_view kLabel{"IDENTITY\0", 9};
    const Buffer own = spki_bits(key_.get());
    for (const Bytes part : {Bytes(z), as_bytes(kLabel), x, Bytes(own).subspan(1, 32)})
        message.insert(message.end(), part.begin(), part.end());
    const Sha256 digest = sha256(message);
    return {digest.begin(), digest.end()};
}

Buffer EndorsementKey::activate(Bytes id_object, Bytes encrypted_secret, Bytes name) const {
    const Buffer seed = seed_of(encrypted_secret);
    Bytes inner = take_tpm2b(id_object);
    const Bytes integrity = take_tpm2b(inner);
    Buffer covered(inner.begin(), inner.end());
    covered.insert(covered.end(), name.begin(), name.end());
    if (!std::ranges::equal(hmac_sha256(kdfa_sha256(seed, "INTEGRITY", {}, 256), covered),
                            integrity))
        return {};
    const Buffer cipher_key = kdfa_sha256(seed, "STORAGE", name, 128);
    const Buffer zeros(16);
    Buffer plain(inner.size());
    int size = 0;
    EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
    EVP_DecryptInit_ex(context, EVP_aes_128_cfb128(), nullptr, cipher_key.data(), zeros.data());
    EVP_DecryptUpdate(context, plain.data(), &size, inner.data(), static_cast<int>(inner.size()));
    EVP_CIPHER_CTX_free(context);
    Bytes rest = plain;
    const Bytes value = take_tpm2b(rest);
    return {value.begin(), value.end()};
}

FleetHost::FleetHost(std::string name, bool ecc_ek) : name(std::move(name)), ek(ecc_ek) {
    host.quote.key = ec_key("P-256");
    host.quote.scheme = TPM2_ALG_ECDSA;
}

Buffer FleetHost::ak_tpm2b() const { return tpm2b(host.quote.tpmt_public()); }

Buffer FleetHost::ak_name() const {
    const Sha256 digest = sha256(host.quote.tpmt_public());
    Buffer name{0x00, 0x0b};
    name.insert(name.end(), digest.begin(), digest.end());
    return name;
}

nlohmann::json FleetHost::enrolment(const std::string& token) const {
    return {{"token", token},
            {"name", name},
            {"ek", {{"public", to_base64(ek.tpm2b_public())}}},
            {"ak", {{"public", to_base64(ak_tpm2b())}}}};
}

nlohmann::json FleetHost::activation(const nlohmann::json& answer) const {
    const auto blob = from_base64(answer["credential"].get<std::string>());
    const auto secret = from_base64(answer["secret"].get<std::string>());
    return {{"credential", to_base64(ek.activate(*blob, *secret, ak_name()))}};
}

Buffer FleetHost::evidence(Bytes nonce, std::uint64_t since) {
    host.quote.nonce.assign(nonce.begin(), nonce.end());
    host.quote.clock += 1000;
    host.from_entry = since;
    return host.encoded();
}

void FleetHost::reboot() {
    host.quote.reset_count += 1;
    host.list = ListMaker{Host::kPcr};
    const std::string number = std::to_string(host.quote.reset_count);
    host.boot_id = "00000000-0000-4000-8000-" + std::string(12 - number.size(), '0') + number;
    host.seq = 0;
}

}  // namespace keyscribe::testing
