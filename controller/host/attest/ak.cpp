// SPDX-License-Identifier: Apache-2.0
#include "controller/host/attest/ak.h"

#include <tss2/tss2_mu.h>

#include <algorithm>
#include <array>
#include <utility>

#include "controller/host/attest/tpm_object.h"

namespace keyscribe::attest {
namespace {

using tpm::Owned;
using tpm::Tpm;
using tpm::tpm_failure;
using tpm::with_retries;

constexpr const char* kMakeAnother =
    "whoever put it there may sign with it elsewhere, too: make another, keyscribe ak create "
    "--force";

Result<TPM2B_PUBLIC> ak_template(std::string_view algorithm) {
    TPM2B_PUBLIC out{};
    TPMT_PUBLIC& key = out.publicArea;
    key.nameAlg = TPM2_ALG_SHA256;
    key.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                           TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                           TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT;
    if (algorithm == "ecc" || algorithm == "ecc384") {
        const bool large = algorithm == "ecc384";
        key.type = TPM2_ALG_ECC;
        auto& ecc = key.parameters.eccDetail;
        ecc.symmetric.algorithm = TPM2_ALG_NULL;
        ecc.scheme.scheme = TPM2_ALG_ECDSA;
        ecc.scheme.details.ecdsa.hashAlg = large ? TPM2_ALG_SHA384 : TPM2_ALG_SHA256;
        ecc.curveID = large ? TPM2_ECC_NIST_P384 : TPM2_ECC_NIST_P256;
        ecc.kdf.scheme = TPM2_ALG_NULL;
        return out;
    }
    if (algorithm == "rsa" || algorithm == "rsapss") {
        key.type = TPM2_ALG_RSA;
        auto& rsa = key.parameters.rsaDetail;
        rsa.symmetric.algorithm = TPM2_ALG_NULL;
        rsa.scheme.scheme = algorithm == "rsa" ? TPM2_ALG_RSASSA : TPM2_ALG_RSAPSS;
        rsa.scheme.details.rsassa.hashAlg = TPM2_ALG_SHA256;  // a union: the same member for PSS
        rsa.keyBits = 2048;
        return out;
    }
    return fail("no algorithm for an attestation key: " + std::string(algorithm), {},
                "known are ecc, ecc384, rsa, rsapss");
}

/// A TPM vouches for what follows from these attributes (Part 1, 27; Part 2, 8.3): the private part
/// was made in it, never left it, and signs nothing that only looks like the TPM's own structures.
Result<void> check_attributes(TPMA_OBJECT attributes, const std::string& where) {
    struct Attribute {
        TPMA_OBJECT bit;
        const char* name;
    };
    constexpr Attribute kNeeded[] = {{TPMA_OBJECT_FIXEDTPM, "fixedTPM"},
                                     {TPMA_OBJECT_FIXEDPARENT, "fixedParent"},
                                     {TPMA_OBJECT_SENSITIVEDATAORIGIN, "sensitiveDataOrigin"},
                                     {TPMA_OBJECT_USERWITHAUTH, "userWithAuth"},
                                     {TPMA_OBJECT_RESTRICTED, "restricted"},
                                     {TPMA_OBJECT_SIGN_ENCRYPT, "sign"}};
    std::string lacking;
    for (const auto& [bit, name] : kNeeded)
        if ((attributes & bit) == 0) lacking += (lacking.empty() ? "" : ", ") + std::string(name);
    if (lacking.empty() && (attributes & TPMA_OBJECT_DECRYPT) == 0) return {};
    return fail(lacking.empty() ? "not an attestation key: it decrypts, too"
                                : "not an attestation key: it is not " + lacking,
                where, kMakeAnother);
}

/// A key's qualified name stands for the way to it from its hierarchy's seed (Part 1, 16): that of
/// a child of the EK, in the endorsement hierarchy.
std::vector<std::uint8_t> qualified_name_below(const PublicKey& ek, const PublicKey& child) {
    // TPM_RH_ENDORSEMENT, big-endian: the qualified name of the hierarchy is its handle.
    std::vector<std::uint8_t> qualified = {0x40, 0x00, 0x00, 0x0b};
    for (const PublicKey* key : {&ek, &child}) {
        const auto algorithm =
            algorithm_of(static_cast<std::uint16_t>(key->name[0] << 8 | key->name[1]));
        const Digest digest = hash(*algorithm, qualified, key->name);
        qualified.assign(key->name.begin(), key->name.begin() + 2);
        qualified.insert(qualified.end(), digest.bytes.begin(), digest.bytes.begin() + digest.size);
    }
    return qualified;
}

struct Found {
    PublicKey key;
    std::vector<std::uint8_t> qualified_name;
};

Result<Found> look_at_ak(Tpm& tpm, std::uint32_t handle) {
    const std::string where = handle_text(handle);
    const auto object = find(tpm, handle);
    if (!object) return std::unexpected(object.error());
    if (*object == ESYS_TR_NONE)
        return fail("there is no attestation key", where, "make one: keyscribe ak create");
    TPM2B_PUBLIC* key = nullptr;
    TPM2B_NAME* qualified = nullptr;
    const TSS2_RC code = with_retries([&] {
        return Esys_ReadPublic(tpm.esys(), *object, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &key,
                               nullptr, &qualified);
    });
    const Owned<TPM2B_PUBLIC> owned(key);
    const Owned<TPM2B_NAME> owned_qualified(qualified);
    if (code != TSS2_RC_SUCCESS) return tpm_failure("TPM2_ReadPublic", code);
    if (auto good = check_attributes(key->publicArea.objectAttributes, where); !good)
        return std::unexpected(good.error());
    auto known = to_public_key(*key);
    if (!known) return std::unexpected(known.error());
    return Found{std::move(*known), {qualified->name, qualified->name + qualified->size}};
}

/// Error: somebody made it elsewhere in this TPM.
Result<PublicKey> below(const PublicKey& ek, Found found, std::uint32_t handle) {
    if (found.qualified_name != qualified_name_below(ek, found.key))
        return fail("not an attestation key: it is no child of the endorsement key (attest.ek)",
                    handle_text(handle), kMakeAnother);
    return std::move(found.key);
}

}  // namespace

Result<PublicKey> create_ak(Tpm& tpm, std::uint32_t handle, std::string_view algorithm,
                            EkAlgorithm ek, bool replace) {
    const auto wanted = ak_template(algorithm);
    if (!wanted) return std::unexpected(wanted.error());
    auto there = find(tpm, handle);
    if (!there) return std::unexpected(there.error());
    if (*there != ESYS_TR_NONE && !replace)
        return fail("there is an object already", handle_text(handle),
                    "`keyscribe ak export` exports it; --force replaces it for good, and services "
                    "that know it trust this host no more");

    auto parent = make_ek(tpm, ek);
    if (!parent) return std::unexpected(parent.error());
    auto session = ek_session(tpm);
    if (!session) return std::unexpected(session.error());
    const TPM2B_SENSITIVE_CREATE sensitive{};
    const TPM2B_DATA outside{};
    const TPML_PCR_SELECTION none{};
    TPM2B_PRIVATE* private_part = nullptr;
    TPM2B_PUBLIC* public_part = nullptr;
    TSS2_RC code = with_retries([&] {
        return Esys_Create(tpm.esys(), parent->get(), session->get(), ESYS_TR_NONE, ESYS_TR_NONE,
                           &sensitive, &*wanted, &outside, &none, &private_part, &public_part,
                           nullptr, nullptr, nullptr);
    });
    const Owned<TPM2B_PRIVATE> owned_private(private_part);
    const Owned<TPM2B_PUBLIC> owned_public(public_part);
    if (code != TSS2_RC_SUCCESS) return tpm_failure("TPM2_Create (attestation key)", code);

    auto second = ek_session(tpm);
    if (!second) return std::unexpected(second.error());
    ESYS_TR loaded = ESYS_TR_NONE;
    code = with_retries([&] {
        return Esys_Load(tpm.esys(), parent->get(), second->get(), ESYS_TR_NONE, ESYS_TR_NONE,
                         private_part, public_part, &loaded);
    });
    if (code != TSS2_RC_SUCCESS) return tpm_failure("TPM2_Load (attestation key)", code);
    const Transient ak(tpm.esys(), loaded);

    if (auto good = check_attributes(public_part->publicArea.objectAttributes, handle_text(handle));
        !good)
        return std::unexpected(good.error());
    if (*there != ESYS_TR_NONE)
        if (auto done = evict(tpm, *there, handle); !done) return std::unexpected(done.error());
    if (auto done = evict(tpm, ak.get(), handle); !done) return std::unexpected(done.error());
    return to_public_key(*public_part);
}

Result<bool> has_ak(Tpm& tpm, std::uint32_t handle) {
    const auto there = handles_from(tpm, handle, handle);
    if (!there) return std::unexpected(there.error());
    return !there->empty();
}

Result<PublicKey> read_ak(Tpm& tpm, std::uint32_t handle, EkAlgorithm ek) {
    auto found = look_at_ak(tpm, handle);
    if (!found) return std::unexpected(found.error());
    const auto endorsement = read_ek(tpm, ek);
    if (!endorsement) return std::unexpected(endorsement.error());
    return below(*endorsement, std::move(*found), handle);
}

Result<PublicKey> read_ak_quickly(Tpm& tpm, std::uint32_t handle, EkAlgorithm ek) {
    auto found = look_at_ak(tpm, handle);
    if (!found) return std::unexpected(found.error());
    if (ek == EkAlgorithm::kRsa) return std::move(found->key);
    const auto endorsement = read_ek(tpm, ek);
    if (!endorsement) return std::move(found->key);
    return below(*endorsement, std::move(*found), handle);
}

Result<std::vector<std::uint8_t>> activate_credential(Tpm& tpm, std::uint32_t handle,
                                                      EkAlgorithm ek, Bytes credential) {
    constexpr std::array<std::uint8_t, 8> kHeader = {0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, 1};
    const auto refuse = [] {
        return fail("not a credential", {}, "expected is what tpm2_makecredential -o writes");
    };
    if (credential.size() < kHeader.size() ||
        !std::ranges::equal(credential.first(kHeader.size()), kHeader))
        return refuse();
    std::size_t offset = kHeader.size();
    TPM2B_ID_OBJECT blob{};
    TPM2B_ENCRYPTED_SECRET seed{};
    if (Tss2_MU_TPM2B_ID_OBJECT_Unmarshal(credential.data(), credential.size(), &offset, &blob) !=
            TSS2_RC_SUCCESS ||
        Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(credential.data(), credential.size(), &offset,
                                                 &seed) != TSS2_RC_SUCCESS ||
        offset != credential.size())
        return refuse();

    auto found = look_at_ak(tpm, handle);
    if (!found) return std::unexpected(found.error());
    TPM2B_PUBLIC ek_public{};
    const auto endorsement = make_ek(tpm, ek, &ek_public);
    if (!endorsement) return std::unexpected(endorsement.error());
    const auto ek_key = to_public_key(ek_public);
    if (!ek_key) return std::unexpected(ek_key.error());
    const auto known = below(*ek_key, std::move(*found), handle);
    if (!known) return std::unexpected(known.error());
    const auto ak = find(tpm, handle);
    if (!ak) return std::unexpected(ak.error());
    auto session = ek_session(tpm);
    if (!session) return std::unexpected(session.error());
    TPM2B_DIGEST* secret = nullptr;
    const TSS2_RC code = with_retries([&] {
        return Esys_ActivateCredential(tpm.esys(), *ak, endorsement->get(), ESYS_TR_PASSWORD,
                                       session->get(), ESYS_TR_NONE, &blob, &seed, &secret);
    });
    const Owned<TPM2B_DIGEST> owned(secret);
    if (code != TSS2_RC_SUCCESS)
        return fail(Tss2_RC_Decode(code), "TPM2_ActivateCredential",
                    "the credential is for another TPM's EK, or another AK's name");
    return std::vector<std::uint8_t>(secret->buffer, secret->buffer + secret->size);
}

}  // namespace keyscribe::attest
