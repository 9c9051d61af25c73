// SPDX-License-Identifier: Apache-2.0
#include "controller/host/attest/public_key.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <tss2/tss2_mu.h>

#include <algorithm>

#include "controller/host/tpm/esys.h"

namespace keyscribe::attest {
namespace {

using tpm::tpm_failure;

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

}  // namespace

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

std::vector<std::uint8_t> to_tpm2b(Bytes tpmt_public) {
    std::vector<std::uint8_t> bytes = {static_cast<std::uint8_t>(tpmt_public.size() >> 8),
                                       static_cast<std::uint8_t>(tpmt_public.size())};
    bytes.insert(bytes.end(), tpmt_public.begin(), tpmt_public.end());
    return bytes;
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
