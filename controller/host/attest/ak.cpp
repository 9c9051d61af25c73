// SPDX-License-Identifier: Apache-2.0
#include "controller/host/attest/ak.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <tss2/tss2_mu.h>

#include <algorithm>
#include <array>

#include "controller/host/tpm/esys.h"

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

/// Something in the TPM that has to leave it again.
class Transient {
  public:
    Transient() = default;
    Transient(ESYS_CONTEXT* esys, ESYS_TR handle) : esys_(esys), handle_(handle) {}
    Transient(Transient&& other) noexcept : esys_(other.esys_), handle_(other.handle_) {
        other.handle_ = ESYS_TR_NONE;
    }
    Transient& operator=(Transient&&) = delete;
    ~Transient() {
        if (handle_ != ESYS_TR_NONE) Esys_FlushContext(esys_, handle_);
    }
    ESYS_TR get() const { return handle_; }

  private:
    ESYS_CONTEXT* esys_ = nullptr;
    ESYS_TR handle_ = ESYS_TR_NONE;
};

std::unexpected<Error> hierarchy_failure(const char* command, TSS2_RC code) {
    return fail(Tss2_RC_Decode(code), command,
                "hierarchies with a password are not supported: `tpm2_changeauth` removes it; "
                "`tpm2_dictionarylockout` and `tpm2_getcap handles-transient` show other causes");
}

Result<Transient> make_ek(Tpm& tpm, EkAlgorithm ek, TPM2B_PUBLIC* public_part = nullptr) {
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

/// A session that satisfies the EK's policy for one command.
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

/// The persistent object at `handle`; ESYS_TR_NONE where there is none.
Result<ESYS_TR> find(Tpm& tpm, std::uint32_t handle) {
    TPMI_YES_NO more = 0;
    TPMS_CAPABILITY_DATA* data = nullptr;
    TSS2_RC code = with_retries([&] {
        return Esys_GetCapability(tpm.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                  TPM2_CAP_HANDLES, handle, 1, &more, &data);
    });
    const Owned<TPMS_CAPABILITY_DATA> owned(data);
    if (code != TSS2_RC_SUCCESS) return tpm_failure("TPM2_GetCapability", code);
    if (data->data.handles.count == 0 || data->data.handles.handle[0] != handle)
        return ESYS_TR(ESYS_TR_NONE);
    ESYS_TR object = ESYS_TR_NONE;
    code = with_retries([&] {
        return Esys_TR_FromTPMPublic(tpm.esys(), handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                     &object);
    });
    if (code != TSS2_RC_SUCCESS) return tpm_failure("TPM2_ReadPublic", code);
    return object;
}

/// TPM2_EvictControl: makes `object` persistent at `handle`, or removes what is there.
Result<void> evict(Tpm& tpm, ESYS_TR object, std::uint32_t handle) {
    ESYS_TR made = ESYS_TR_NONE;
    const TSS2_RC code = with_retries([&] {
        return Esys_EvictControl(tpm.esys(), ESYS_TR_RH_OWNER, object, ESYS_TR_PASSWORD,
                                 ESYS_TR_NONE, ESYS_TR_NONE, handle, &made);
    });
    if (code != TSS2_RC_SUCCESS) return hierarchy_failure("TPM2_EvictControl", code);
    if (made != ESYS_TR_NONE) Esys_TR_Close(tpm.esys(), &made);
    return {};
}

Result<PublicKey> to_public_key(const TPM2B_PUBLIC& key) {
    PublicKey out;
    out.tpmt_public.resize(sizeof(TPM2B_PUBLIC));
    std::size_t size = 0;
    if (const TSS2_RC code = Tss2_MU_TPMT_PUBLIC_Marshal(&key.publicArea, out.tpmt_public.data(),
                                                         out.tpmt_public.size(), &size);
        code != TSS2_RC_SUCCESS)
        return tpm_failure("TPMT_PUBLIC", code);
    out.tpmt_public.resize(size);
    const auto algorithm = algorithm_of(key.publicArea.nameAlg);
    if (!algorithm) return fail("a key whose name algorithm is not known here");
    out.name = {static_cast<std::uint8_t>(key.publicArea.nameAlg >> 8),
                static_cast<std::uint8_t>(key.publicArea.nameAlg)};
    const Bytes digest_of = out.tpmt_public;
    const Digest digest = hash(*algorithm, digest_of);
    out.name.insert(out.name.end(), digest.bytes.begin(), digest.bytes.begin() + digest.size);
    return out;
}

struct FreeOpenssl {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
    void operator()(OSSL_PARAM_BLD* builder) const { OSSL_PARAM_BLD_free(builder); }
    void operator()(OSSL_PARAM* params) const { OSSL_PARAM_free(params); }
    void operator()(BIGNUM* number) const { BN_free(number); }
    void operator()(BIO* bio) const { BIO_free_all(bio); }
};
template <class T>
using Openssl = std::unique_ptr<T, FreeOpenssl>;

Openssl<EVP_PKEY> build(const char* type, OSSL_PARAM_BLD* builder) {
    const Openssl<OSSL_PARAM> params(OSSL_PARAM_BLD_to_param(builder));
    const Openssl<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* key = nullptr;
    if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
        return nullptr;
    return Openssl<EVP_PKEY>(key);
}

Openssl<EVP_PKEY> rsa_key(const TPMT_PUBLIC& key) {
    const Openssl<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
    const TPM2B_PUBLIC_KEY_RSA& modulus = key.unique.rsa;
    const std::uint32_t told = key.parameters.rsaDetail.exponent;
    const Openssl<BIGNUM> n(BN_bin2bn(modulus.buffer, modulus.size, nullptr));
    const Openssl<BIGNUM> e(BN_new());
    BN_set_word(e.get(), told == 0 ? 65537 : told);
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
    return build("RSA", builder.get());
}

Openssl<EVP_PKEY> ecc_key(const TPMT_PUBLIC& key) {
    const bool large = key.parameters.eccDetail.curveID == TPM2_ECC_NIST_P384;
    if (!large && key.parameters.eccDetail.curveID != TPM2_ECC_NIST_P256) return nullptr;
    const std::size_t size = large ? 48 : 32;
    std::vector<std::uint8_t> point(1 + 2 * size);  // SEC 1, 2.3.3: uncompressed
    point[0] = 4;
    const TPMS_ECC_POINT& from = key.unique.ecc;
    if (from.x.size > size || from.y.size > size) return nullptr;
    std::copy_n(from.x.buffer, from.x.size, point.begin() + 1 + size - from.x.size);
    std::copy_n(from.y.buffer, from.y.size, point.begin() + 1 + 2 * size - from.y.size);
    const Openssl<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
    OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME,
                                    large ? "P-384" : "P-256", 0);
    OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                     point.size());
    return build("EC", builder.get());
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

Result<PublicKey> create_ak(Tpm& tpm, std::uint32_t handle, std::string_view algorithm,
                            EkAlgorithm ek, bool replace) {
    char hex[16];
    std::snprintf(hex, sizeof(hex), "0x%08x", handle);
    const auto wanted = ak_template(algorithm);
    if (!wanted) return std::unexpected(wanted.error());
    auto there = find(tpm, handle);
    if (!there) return std::unexpected(there.error());
    if (*there != ESYS_TR_NONE && !replace)
        return fail("there is an object already", hex,
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

    if (*there != ESYS_TR_NONE)
        if (auto done = evict(tpm, *there, handle); !done) return std::unexpected(done.error());
    if (auto done = evict(tpm, ak.get(), handle); !done) return std::unexpected(done.error());
    return to_public_key(*public_part);
}

Result<PublicKey> read_ak(Tpm& tpm, std::uint32_t handle) {
    char hex[16];
    std::snprintf(hex, sizeof(hex), "0x%08x", handle);
    const auto object = find(tpm, handle);
    if (!object) return std::unexpected(object.error());
    if (*object == ESYS_TR_NONE)
        return fail("there is no attestation key", hex, "make one: keyscribe ak create");
    TPM2B_PUBLIC* key = nullptr;
    const TSS2_RC code = with_retries([&] {
        return Esys_ReadPublic(tpm.esys(), *object, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &key,
                               nullptr, nullptr);
    });
    const Owned<TPM2B_PUBLIC> owned(key);
    if (code != TSS2_RC_SUCCESS) return tpm_failure("TPM2_ReadPublic", code);
    constexpr TPMA_OBJECT kSigner = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT;
    if ((key->publicArea.objectAttributes & kSigner) != kSigner)
        return fail(
            "not a restricted signing key", hex,
            "set attest.ak_handle to another handle, and make a key there: keyscribe ak create");
    return to_public_key(*key);
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

    const auto known = read_ak(tpm, handle);
    if (!known) return std::unexpected(known.error());
    const auto ak = find(tpm, handle);
    if (!ak) return std::unexpected(ak.error());
    const auto endorsement = make_ek(tpm, ek);
    if (!endorsement) return std::unexpected(endorsement.error());
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

Result<std::string> to_pem(Bytes tpmt_public) {
    TPMT_PUBLIC key{};
    std::size_t offset = 0;
    if (Tss2_MU_TPMT_PUBLIC_Unmarshal(tpmt_public.data(), tpmt_public.size(), &offset, &key) !=
            TSS2_RC_SUCCESS ||
        offset != tpmt_public.size())
        return fail("not a TPMT_PUBLIC");
    Openssl<EVP_PKEY> made;
    if (key.type == TPM2_ALG_RSA) made = rsa_key(key);
    if (key.type == TPM2_ALG_ECC) made = ecc_key(key);
    const Openssl<BIO> bio(BIO_new(BIO_s_mem()));
    if (!made || PEM_write_bio_PUBKEY(bio.get(), made.get()) != 1)
        return fail("a public key of a kind that is not known here");
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return std::string(text, static_cast<std::size_t>(size));
}

}  // namespace keyscribe::attest
