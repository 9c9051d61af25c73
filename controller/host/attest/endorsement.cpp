// SPDX-License-Identifier: Apache-2.0
#include "controller/host/attest/endorsement.h"

#include <algorithm>
#include <array>

namespace keyscribe::attest {
namespace {

using tpm::Owned;
using tpm::Tpm;
using tpm::tpm_failure;
using tpm::with_retries;

/// EK Credential Profile, B.6.2: PolicyA, PolicySecret(TPM_RH_ENDORSEMENT) in SHA-256.
constexpr std::array<std::uint8_t, 32> kPolicyA = {
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa};

/// Templates L-1 (RSA 2048) and L-2 (ECC P-256).
TPM2B_PUBLIC ek_template(EkAlgorithm ek) {
    TPM2B_PUBLIC out{};
    TPMT_PUBLIC& key = out.publicArea;
    key.nameAlg = TPM2_ALG_SHA256;
    key.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                           TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_ADMINWITHPOLICY |
                           TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
    key.authPolicy.size = kPolicyA.size();
    std::ranges::copy(kPolicyA, key.authPolicy.buffer);
    const TPMT_SYM_DEF_OBJECT aes{
        .algorithm = TPM2_ALG_AES, .keyBits = {.aes = 128}, .mode = {.aes = TPM2_ALG_CFB}};
    if (ek == EkAlgorithm::kRsa) {
        key.type = TPM2_ALG_RSA;
        key.parameters.rsaDetail.symmetric = aes;
        key.parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
        key.parameters.rsaDetail.keyBits = 2048;
        key.unique.rsa.size = 256;
    } else {
        key.type = TPM2_ALG_ECC;
        key.parameters.eccDetail.symmetric = aes;
        key.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
        key.parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
        key.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
        key.unique.ecc.x.size = key.unique.ecc.y.size = 32;
    }
    return out;
}

Result<std::vector<std::uint8_t>> read_nv(Tpm& tpm, ESYS_TR index) {
    TPM2B_NV_PUBLIC* about = nullptr;
    TSS2_RC code = with_retries([&] {
        return Esys_NV_ReadPublic(tpm.esys(), index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                  &about, nullptr);
    });
    const Owned<TPM2B_NV_PUBLIC> owned_about(about);
    if (code != TSS2_RC_SUCCESS) return tpm_failure("TPM2_NV_ReadPublic", code);
    std::vector<std::uint8_t> bytes;
    constexpr UINT16 kBlock = 512;  // what every TPM gives at once
    while (bytes.size() < about->nvPublic.dataSize) {
        const auto offset = static_cast<UINT16>(bytes.size());
        const UINT16 size = std::min<UINT16>(kBlock, about->nvPublic.dataSize - offset);
        TPM2B_MAX_NV_BUFFER* block = nullptr;
        code = with_retries([&] {
            return Esys_NV_Read(tpm.esys(), index, index, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                ESYS_TR_NONE, size, offset, &block);
        });
        const Owned<TPM2B_MAX_NV_BUFFER> owned_block(block);
        if (code != TSS2_RC_SUCCESS) return tpm_failure("TPM2_NV_Read", code);
        if (block->size == 0) break;
        bytes.insert(bytes.end(), block->buffer, block->buffer + block->size);
    }
    return bytes;
}

/// Bytes of the DER object that `bytes` begin with; indices can be longer than what is in them.
std::size_t der_size(Bytes bytes) {
    if (bytes.size() < 4 || bytes[0] != 0x30) return 0;
    std::size_t size = 0;
    if (bytes[1] < 0x80)
        size = 2u + bytes[1];
    else if (bytes[1] == 0x81)
        size = 3u + bytes[2];
    else if (bytes[1] == 0x82)
        size = 4u + (bytes[2] << 8 | bytes[3]);
    return size <= bytes.size() ? size : 0;
}

}  // namespace

Result<Transient> make_ek(Tpm& tpm, EkAlgorithm ek, TPM2B_PUBLIC* public_part) {
    const TPM2B_SENSITIVE_CREATE sensitive{};
    const TPM2B_PUBLIC wanted = ek_template(ek);
    const TPM2B_DATA outside{};
    const TPML_PCR_SELECTION none{};
    ESYS_TR handle = ESYS_TR_NONE;
    TPM2B_PUBLIC* made = nullptr;
    const TSS2_RC code = with_retries([&] {
        return Esys_CreatePrimary(tpm.esys(), ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD,
                                  ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &wanted, &outside, &none,
                                  &handle, &made, nullptr, nullptr, nullptr);
    });
    const Owned<TPM2B_PUBLIC> owned(made);
    if (code != TSS2_RC_SUCCESS) return hierarchy_failure("TPM2_CreatePrimary (EK)", code);
    if (public_part != nullptr) *public_part = *made;
    return Transient(tpm.esys(), handle);
}

Result<Transient> ek_session(Tpm& tpm) {
    const TPMT_SYM_DEF symmetric{.algorithm = TPM2_ALG_NULL};
    ESYS_TR handle = ESYS_TR_NONE;
    TSS2_RC code = with_retries([&] {
        return Esys_StartAuthSession(tpm.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                     ESYS_TR_NONE, ESYS_TR_NONE, nullptr, TPM2_SE_POLICY,
                                     &symmetric, TPM2_ALG_SHA256, &handle);
    });
    if (code != TSS2_RC_SUCCESS) return tpm_failure("TPM2_StartAuthSession", code);
    Transient session(tpm.esys(), handle);
    code = with_retries([&] {
        return Esys_PolicySecret(tpm.esys(), ESYS_TR_RH_ENDORSEMENT, handle, ESYS_TR_PASSWORD,
                                 ESYS_TR_NONE, ESYS_TR_NONE, nullptr, nullptr, nullptr, 0, nullptr,
                                 nullptr);
    });
    if (code != TSS2_RC_SUCCESS) return hierarchy_failure("TPM2_PolicySecret", code);
    return session;
}

Result<PublicKey> read_ek(Tpm& tpm, EkAlgorithm ek) {
    TPM2B_PUBLIC key{};
    const auto made = make_ek(tpm, ek, &key);
    if (!made) return std::unexpected(made.error());
    return to_public_key(key);
}

Result<std::optional<std::vector<std::uint8_t>>> read_ek_certificate(Tpm& tpm, EkAlgorithm ek) {
    const auto index = find(tpm, ek == EkAlgorithm::kRsa ? 0x01c00002 : 0x01c0000a);
    if (!index) return std::unexpected(index.error());
    if (*index == ESYS_TR_NONE) return std::nullopt;
    auto bytes = read_nv(tpm, *index);
    if (!bytes) return std::unexpected(bytes.error());
    const std::size_t size = der_size(*bytes);
    if (size == 0) return std::nullopt;
    bytes->resize(size);
    return *bytes;
}

Result<std::vector<std::vector<std::uint8_t>>> read_ek_chain(Tpm& tpm) {
    constexpr std::uint32_t kFirst = 0x01c00100, kLast = 0x01c001ff;
    const auto indices = handles_from(tpm, kFirst, kLast);
    if (!indices) return std::unexpected(indices.error());
    std::vector<std::uint8_t> all;
    for (const std::uint32_t number : *indices) {
        const auto index = find(tpm, number);
        if (!index) return std::unexpected(index.error());
        const auto bytes = read_nv(tpm, *index);
        // One that is not for everybody, or not written: then none of what comes behind it.
        if (!bytes) break;
        all.insert(all.end(), bytes->begin(), bytes->end());
    }
    std::vector<std::vector<std::uint8_t>> chain;
    for (Bytes rest = all; der_size(rest) != 0; rest = rest.subspan(der_size(rest)))
        chain.emplace_back(rest.begin(),
                           rest.begin() + static_cast<std::ptrdiff_t>(der_size(rest)));
    return chain;
}

}  // namespace keyscribe::attest
