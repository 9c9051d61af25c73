// SPDX-License-Identifier: Apache-2.0
#include "tests/support/quote_maker.h"

#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <tss2/tss2_mu.h>

#include <algorithm>

#include "controller/service/appraise/openssl.h"

namespace keyscribe::testing {

using appraise::Owned;

Buffer QuoteMaker::attest(const evidence::PcrSet& pcrs) const {
    TPMS_ATTEST attest{};
    attest.magic = TPM2_GENERATED_VALUE;
    attest.type = TPM2_ST_ATTEST_QUOTE;
    attest.qualifiedSigner.size = static_cast<UINT16>(signer.size());
    std::ranges::copy(signer, attest.qualifiedSigner.name);
    attest.extraData.size = static_cast<UINT16>(nonce.size());
    std::ranges::copy(nonce, attest.extraData.buffer);
    attest.clockInfo = {clock, reset_count, restart_count, TPM2_YES};
    attest.firmwareVersion = 42;
    TPMS_QUOTE_INFO& quote = attest.attested.quote;
    Buffer values;
    for (const auto& [bank, of_bank] : pcrs) {
        auto& selection = quote.pcrSelect.pcrSelections[quote.pcrSelect.count++];
        selection.hash = static_cast<TPMI_ALG_HASH>(bank);
        selection.sizeofSelect = 3;
        for (const auto& [pcr, value] : of_bank) {
            selection.pcrSelect[pcr / 8] |= static_cast<BYTE>(1 << (pcr % 8));
            const Bytes bytes = value;
            values.insert(values.end(), bytes.begin(), bytes.end());
        }
    }
    const Digest digest = base::hash(hash, values);
    quote.pcrDigest.size = static_cast<UINT16>(digest.size);
    std::copy_n(digest.bytes.begin(), digest.size, quote.pcrDigest.buffer);
    Buffer bytes(sizeof(TPMS_ATTEST));
    std::size_t size = 0;
    Tss2_MU_TPMS_ATTEST_Marshal(&attest, bytes.data(), bytes.size(), &size);
    bytes.resize(size);
    for (int i = 0; i < 4; ++i) bytes[i] = static_cast<std::uint8_t>(magic >> (24 - 8 * i));
    bytes[4] = static_cast<std::uint8_t>(type >> 8);
    bytes[5] = static_cast<std::uint8_t>(type);
    return bytes;
}

Buffer QuoteMaker::sign(Bytes attest) const {
    const EVP_MD* md = hash == Algorithm::kSha1     ? EVP_sha1()
                       : hash == Algorithm::kSha256 ? EVP_sha256()
                       : hash == Algorithm::kSha384 ? EVP_sha384()
                                                    : EVP_sha512();
    Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* parameters = nullptr;
    EVP_DigestSignInit(context.get(), &parameters, md, nullptr, key.get());
    if (scheme == TPM2_ALG_RSAPSS) EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING);
    std::size_t size = 0;
    EVP_DigestSign(context.get(), nullptr, &size, attest.data(), attest.size());
    Buffer raw(size);
    EVP_DigestSign(context.get(), raw.data(), &size, attest.data(), attest.size());
    raw.resize(size);
    if (flip_signature) raw.back() ^= 1;
    TPMT_SIGNATURE signature{};
    signature.sigAlg = scheme;
    if (scheme == TPM2_ALG_ECDSA) {
        const unsigned char* der = raw.data();
        Owned<ECDSA_SIG> parts(d2i_ECDSA_SIG(nullptr, &der, static_cast<long>(raw.size())));
        const auto copy = [](const BIGNUM* from, TPM2B_ECC_PARAMETER& to) {
            to.size = static_cast<UINT16>(BN_num_bytes(from));
            BN_bn2bin(from, to.buffer);
        };
        signature.signature.ecdsa.hash = static_cast<TPMI_ALG_HASH>(hash);
        copy(ECDSA_SIG_get0_r(parts.get()), signature.signature.ecdsa.signatureR);
        copy(ECDSA_SIG_get0_s(parts.get()), signature.signature.ecdsa.signatureS);
    } else {
        signature.signature.rsassa.hash = static_cast<TPMI_ALG_HASH>(hash);
        signature.signature.rsassa.sig.size = static_cast<UINT16>(raw.size());
        std::ranges::copy(raw, signature.signature.rsassa.sig.buffer);
    }
    Buffer bytes(sizeof(TPMT_SIGNATURE));
    size = 0;
    Tss2_MU_TPMT_SIGNATURE_Marshal(&signature, bytes.data(), bytes.size(), &size);
    bytes.resize(size);
    return bytes;
}

Buffer QuoteMaker::tpmt_public() const {
    TPMT_PUBLIC area{};
    area.nameAlg = TPM2_ALG_SHA256;
    area.objectAttributes = attributes;
    if (scheme == TPM2_ALG_ECDSA) {
        area.type = TPM2_ALG_ECC;
        const int bits = EVP_PKEY_get_bits(key.get());
        area.parameters.eccDetail = {
            {TPM2_ALG_NULL, {}},
            {TPM2_ALG_ECDSA, {.ecdsa = {TPM2_ALG_SHA256}}},
            static_cast<TPMI_ECC_CURVE>(bits == 521   ? TPM2_ECC_NIST_P521
                                        : bits == 384 ? TPM2_ECC_NIST_P384
                                                      : TPM2_ECC_NIST_P256),
            {TPM2_ALG_NULL, {}}};
        const Buffer point = spki_bits(key.get());
        const std::size_t half = (point.size() - 1) / 2;
        area.unique.ecc.x.size = area.unique.ecc.y.size = static_cast<UINT16>(half);
        std::copy_n(point.begin() + 1, half, area.unique.ecc.x.buffer);
        std::copy_n(point.begin() + 1 + static_cast<std::ptrdiff_t>(half), half,
                    area.unique.ecc.y.buffer);
    } else {
        area.type = TPM2_ALG_RSA;
        const int bits = EVP_PKEY_get_bits(key.get());
        area.parameters.rsaDetail = {{TPM2_ALG_NULL, {}},
                                     {scheme, {.rsassa = {TPM2_ALG_SHA256}}},
                                     static_cast<TPMI_RSA_KEY_BITS>(bits),
                                     0};
        BIGNUM* n = nullptr;
        EVP_PKEY_get_bn_param(key.get(), "n", &n);
        area.unique.rsa.size = static_cast<UINT16>(BN_num_bytes(n));
        BN_bn2bin(n, area.unique.rsa.buffer);
        BN_free(n);
    }
    Buffer bytes(sizeof(TPMT_PUBLIC));
    std::size_t size = 0;
    Tss2_MU_TPMT_PUBLIC_Marshal(&area, bytes.data(), bytes.size(), &size);
    bytes.resize(size);
    return bytes;
}

std::string QuoteMaker::pem() const {
    Owned<BIO> bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PUBKEY(bio.get(), key.get());
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

}  // namespace keyscribe::testing
