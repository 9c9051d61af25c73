// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/tpm_keys.h"

#include <openssl/asn1.h>
#include <tss2/tss2_mu.h>

#include <algorithm>
#include <array>

#include "controller/keyrings/public_key.h"

namespace keyscribe::verifier {
namespace {

constexpr std::uint32_t kDefaultExponent = 65537;  // that TPMs mean by 0
constexpr std::uint16_t kLeastBits = 2048;

using Buffer = std::vector<std::uint8_t>;

void put_length(Buffer& der, std::size_t length) {
    if (length < 0x80) {
        der.push_back(static_cast<std::uint8_t>(length));
        return;
    }
    der.push_back(0x82);
    der.push_back(static_cast<std::uint8_t>(length >> 8));
    der.push_back(static_cast<std::uint8_t>(length));
}

void put_integer(Buffer& der, Bytes number) {
    while (number.size() > 1 && number[0] == 0) number = number.subspan(1);
    const bool padded = number.empty() || (number[0] & 0x80) != 0;
    der.push_back(0x02);
    put_length(der, number.size() + (padded ? 1 : 0));
    if (padded) der.push_back(0);
    der.insert(der.end(), number.begin(), number.end());
}

/// RSAPublicKey: RFC 8017, A.1.1.
Buffer rsa_public_key(const TPMT_PUBLIC& key) {
    const std::uint32_t exponent = key.parameters.rsaDetail.exponent == 0
                                       ? kDefaultExponent
                                       : key.parameters.rsaDetail.exponent;
    const std::array<std::uint8_t, 4> e = {
        static_cast<std::uint8_t>(exponent >> 24), static_cast<std::uint8_t>(exponent >> 16),
        static_cast<std::uint8_t>(exponent >> 8), static_cast<std::uint8_t>(exponent)};
    Buffer numbers;
    put_integer(numbers, Bytes(key.unique.rsa.buffer, key.unique.rsa.size));
    put_integer(numbers, e);
    Buffer der{0x30};
    put_length(der, numbers.size());
    der.insert(der.end(), numbers.begin(), numbers.end());
    return der;
}

/// An uncompressed point: SEC 1, 2.3.3. Empty: a coordinate is too long.
Buffer point(const TPMS_ECC_POINT& point, std::size_t size) {
    Buffer bytes{0x04};
    for (const TPM2B_ECC_PARAMETER* one : {&point.x, &point.y}) {
        if (one->size > size) return {};
        bytes.insert(bytes.end(), size - one->size, 0);
        bytes.insert(bytes.end(), one->buffer, one->buffer + one->size);
    }
    return bytes;
}

}  // namespace

Result<TPMT_PUBLIC> parse_tpm2b_public(Bytes bytes, const std::string& where) {
    TPM2B_PUBLIC parsed{};
    std::size_t offset = 0;
    if (Tss2_MU_TPM2B_PUBLIC_Unmarshal(bytes.data(), bytes.size(), &offset, &parsed) != 0 ||
        offset != bytes.size())
        return fail("not a TPM2B_PUBLIC from end to end", where);
    return parsed.publicArea;
}

Result<Buffer> public_key_der(const TPMT_PUBLIC& key, const std::string& where) {
    Buffer der;
    if (key.type == TPM2_ALG_RSA && key.parameters.rsaDetail.keyBits >= kLeastBits &&
        key.unique.rsa.size == key.parameters.rsaDetail.keyBits / 8)
        der = keyrings::public_key_info("rsa", rsa_public_key(key));
    if (key.type == TPM2_ALG_ECC) {
        const TPMI_ECC_CURVE curve = key.parameters.eccDetail.curveID;
        if (curve == TPM2_ECC_NIST_P256)
            der = keyrings::public_key_info("ecdsa-nist-p256", point(key.unique.ecc, 32));
        if (curve == TPM2_ECC_NIST_P384)
            der = keyrings::public_key_info("ecdsa-nist-p384", point(key.unique.ecc, 48));
    }
    if (der.empty() || !keyrings::read_public_key(der))
        return fail("neither RSA of 2048 bits or more nor ECC on P-256 or P-384", where);
    return der;
}

Result<Buffer> public_key_der(Bytes tpmt_public, const std::string& where) {
    TPMT_PUBLIC parsed{};
    std::size_t offset = 0;
    if (Tss2_MU_TPMT_PUBLIC_Unmarshal(tpmt_public.data(), tpmt_public.size(), &offset, &parsed) !=
            0 ||
        offset != tpmt_public.size())
        return fail("not a TPMT_PUBLIC from end to end", where);
    return public_key_der(parsed, where);
}

Result<void> check_endorsement_key(const TPMT_PUBLIC& key) {
    constexpr std::array<std::pair<TPMA_OBJECT, std::string_view>, 5> kWanted = {
        {{TPMA_OBJECT_FIXEDTPM, "fixedTPM"},
         {TPMA_OBJECT_FIXEDPARENT, "fixedParent"},
         {TPMA_OBJECT_SENSITIVEDATAORIGIN, "sensitiveDataOrigin"},
         {TPMA_OBJECT_RESTRICTED, "restricted"},
         {TPMA_OBJECT_DECRYPT, "decrypt"}}};
    std::string lacking;
    for (const auto& [attribute, name] : kWanted)
        if ((key.objectAttributes & attribute) == 0)
            lacking += (lacking.empty() ? "" : ", ") + std::string(name);
    if ((key.objectAttributes & TPMA_OBJECT_SIGN_ENCRYPT) != 0)
        lacking += (lacking.empty() ? "" : ", ") + std::string("not sign");
    if (!lacking.empty()) return fail("an endorsement key is also: " + lacking, "ek.public");
    const TPMT_SYM_DEF_OBJECT& symmetric = key.type == TPM2_ALG_RSA
                                               ? key.parameters.rsaDetail.symmetric
                                               : key.parameters.eccDetail.symmetric;
    if (symmetric.algorithm != TPM2_ALG_AES || symmetric.mode.aes != TPM2_ALG_CFB ||
        (symmetric.keyBits.aes != 128 && symmetric.keyBits.aes != 256))
        return fail("its inner cipher is not AES-128 or AES-256 in CFB", "ek.public");
    if (key.nameAlg != TPM2_ALG_SHA256 && key.nameAlg != TPM2_ALG_SHA384)
        return fail("its name is by neither SHA-256 nor SHA-384", "ek.public");
    return {};
}

}  // namespace keyscribe::verifier
