// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/quote.h"

#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <tss2/tss2_mu.h>

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "controller/base/little_endian.h"
#include "controller/keyrings/certificate_view.h"
#include "controller/keyrings/public_key.h"
#include "controller/service/appraise/certificate_file.h"
#include "controller/service/appraise/codes.h"
#include "controller/service/appraise/openssl.h"
#include "controller/service/appraise/tpm_attributes.h"

namespace keyscribe::appraise {

struct AttestationKey::Impl {
    keyrings::PublicKey key;
};

namespace {

constexpr int kLeastRsaBits = 2048;

/// The curves of TPMs' ECDSA; OpenSSL and the TPM have names of their own for them.
struct Curve {
    TPM2_ECC_CURVE tpm;
    const char* openssl;
    std::size_t size;
};
constexpr Curve kTpmCurves[] = {{TPM2_ECC_NIST_P256, "prime256v1", 32},
                                {TPM2_ECC_NIST_P384, "secp384r1", 48},
                                {TPM2_ECC_NIST_P521, "secp521r1", 66}};

std::vector<std::uint8_t> number(Bytes big_endian) {
    const auto first =
        std::ranges::find_if(big_endian, [](std::uint8_t byte) { return byte != 0; });
    return {first, big_endian.end()};
}

std::vector<std::uint8_t> number(EVP_PKEY* key, const char* parameter) {
    BIGNUM* found = nullptr;
    if (EVP_PKEY_get_bn_param(key, parameter, &found) != 1) return {};
    const Owned<BIGNUM> owned(found);
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(BN_num_bytes(found)));
    BN_bn2bin(found, bytes.data());
    return bytes;
}

/// Of a key that may vouch for something: RSA of enough bits, or ECC on a known curve.
Result<PublicNumbers> numbers_of(EVP_PKEY* key, const std::string& file) {
    if (EVP_PKEY_is_a(key, "RSA")) {
        if (EVP_PKEY_get_bits(key) < kLeastRsaBits)
            return fail("an RSA key of fewer than 2048 bits", file);
        return PublicNumbers{0, number(key, OSSL_PKEY_PARAM_RSA_N),
                             number(key, OSSL_PKEY_PARAM_RSA_E)};
    }
    char group[64] = {};
    if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof group, nullptr) == 1)
        for (const Curve& curve : kTpmCurves)
            if (std::string_view(group) == curve.openssl)
                return PublicNumbers{curve.tpm, number(key, OSSL_PKEY_PARAM_EC_PUB_X),
                                     number(key, OSSL_PKEY_PARAM_EC_PUB_Y)};
    return fail("neither RSA nor ECC on P-256, P-384 or P-521", file);
}

const EVP_MD* md_of(Algorithm algorithm) {
    switch (algorithm) {
        case Algorithm::kSha1:
            return nullptr;  // too weak to vouch for anything
        case Algorithm::kSha256:
            return EVP_sha256();
        case Algorithm::kSha384:
            return EVP_sha384();
        case Algorithm::kSha512:
            return EVP_sha512();
    }
    return nullptr;
}

Bytes bytes_of(const TPM2B_PUBLIC_KEY_RSA& from) { return {from.buffer, from.size}; }

/// A TPM's signature in the form that OpenSSL verifies.
struct Signature {
    Algorithm hash;
    bool pss = false;
    std::vector<std::uint8_t> bytes;
};

std::vector<std::uint8_t> der_of(const TPMS_SIGNATURE_ECC& from) {
    Owned<ECDSA_SIG> signature(ECDSA_SIG_new());
    Owned<BIGNUM> r(BN_bin2bn(from.signatureR.buffer, from.signatureR.size, nullptr));
    Owned<BIGNUM> s(BN_bin2bn(from.signatureS.buffer, from.signatureS.size, nullptr));
    if (!signature || !r || !s || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) return {};
    (void)r.release(), (void)s.release();
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(signature.get(), &der);
    std::vector<std::uint8_t> bytes;
    if (size > 0) bytes.assign(der, der + size);
    OPENSSL_free(der);
    return bytes;
}

std::optional<Signature> parse_signature(Bytes bytes) {
    TPMT_SIGNATURE parsed{};
    std::size_t offset = 0;
    if (Tss2_MU_TPMT_SIGNATURE_Unmarshal(bytes.data(), bytes.size(), &offset, &parsed) != 0 ||
        offset != bytes.size())
        return std::nullopt;
    Signature signature{};
    std::uint16_t hash = 0;
    switch (parsed.sigAlg) {
        case TPM2_ALG_RSASSA:
        case TPM2_ALG_RSAPSS: {
            const TPMS_SIGNATURE_RSA& rsa = parsed.signature.rsassa;  // the two are alike
            hash = rsa.hash;
            signature.pss = parsed.sigAlg == TPM2_ALG_RSAPSS;
            signature.bytes.assign(rsa.sig.buffer, rsa.sig.buffer + rsa.sig.size);
            break;
        }
        case TPM2_ALG_ECDSA:
            hash = parsed.signature.ecdsa.hash;
            signature.bytes = der_of(parsed.signature.ecdsa);
            break;
        default:
            return std::nullopt;
    }
    const auto algorithm = algorithm_of(hash);
    if (!algorithm || md_of(*algorithm) == nullptr) return std::nullopt;
    signature.hash = *algorithm;
    return signature;
}

bool verifies(EVP_PKEY* key, const Signature& signature, bool rsa_expected, Bytes signed_bytes) {
    if (static_cast<bool>(EVP_PKEY_is_a(key, "RSA")) != rsa_expected) return false;
    Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* parameters = nullptr;
    bool good = context && EVP_DigestVerifyInit(context.get(), &parameters, md_of(signature.hash),
                                                nullptr, key) == 1;
    // TPMs salt with as much as the key has room for, or with the digest's size.
    if (good && signature.pss)
        good = EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_AUTO) == 1;
    good = good && EVP_DigestVerify(context.get(), signature.bytes.data(), signature.bytes.size(),
                                    signed_bytes.data(), signed_bytes.size()) == 1;
    ERR_clear_error();
    return good;
}

std::uint16_t load_be16(const std::uint8_t* from) {
    return static_cast<std::uint16_t>(from[0] << 8 | from[1]);
}
std::optional<TPMS_ATTEST> parse_attest(Bytes bytes, Findings& findings) {
    const auto malformed = [&] {
        findings.add(codes::kQuoteMalformed, "the quote is no TPMS_ATTEST from end to end");
        return std::nullopt;
    };
    if (bytes.size() < 6) return malformed();
    if (load_be32(bytes.data()) != TPM2_GENERATED_VALUE) {
        findings.add(codes::kQuoteMagic, "what was signed did not come from within a TPM");
        return std::nullopt;
    }
    if (load_be16(bytes.data() + 4) != TPM2_ST_ATTEST_QUOTE) {
        findings.add(codes::kQuoteType, "what the TPM signed is not a quote");
        return std::nullopt;
    }
    TPMS_ATTEST attest{};
    std::size_t offset = 0;
    if (Tss2_MU_TPMS_ATTEST_Unmarshal(bytes.data(), bytes.size(), &offset, &attest) != 0 ||
        offset != bytes.size())
        return malformed();
    return attest;
}

/// The selection as the TPM went through it: bank by bank, PCRs in ascending order. Nothing where a
/// bank is not known here or named twice.
std::optional<std::vector<std::pair<Algorithm, unsigned>>> selected(
    const TPML_PCR_SELECTION& selection) {
    std::vector<std::pair<Algorithm, unsigned>> pcrs;
    if (selection.count > TPM2_NUM_PCR_BANKS) return std::nullopt;
    for (std::uint32_t i = 0; i < selection.count; ++i) {
        const TPMS_PCR_SELECTION& one = selection.pcrSelections[i];
        if (one.sizeofSelect > sizeof one.pcrSelect) return std::nullopt;
        for (unsigned pcr = 0; pcr < 8u * one.sizeofSelect; ++pcr) {
            if (!(one.pcrSelect[pcr / 8] & (1u << (pcr % 8)))) continue;
            const auto bank = algorithm_of(one.hash);
            if (!bank || std::ranges::find(pcrs, std::pair{*bank, pcr}) != pcrs.end())
                return std::nullopt;
            pcrs.emplace_back(*bank, pcr);
        }
    }
    return pcrs;
}

/// Whether the values are exactly of the PCRs that were quoted, and give the quoted digest.
bool check_values(const TPMS_QUOTE_INFO& quoted, Algorithm hash, const evidence::PcrSet& values,
                  Findings& findings) {
    const auto pcrs = selected(quoted.pcrSelect);
    std::size_t given = 0;
    for (const auto& [bank, of_bank] : values) given += of_bank.size();
    std::vector<std::uint8_t> concatenated;
    bool same = pcrs && !pcrs->empty() && pcrs->size() == given;
    for (std::size_t i = 0; same && i < pcrs->size(); ++i) {
        const auto bank = values.find((*pcrs)[i].first);
        same = bank != values.end() && bank->second.contains((*pcrs)[i].second);
        if (!same) break;
        const Bytes value = bank->second.at((*pcrs)[i].second);
        concatenated.insert(concatenated.end(), value.begin(), value.end());
    }
    if (!same) {
        findings.add(codes::kQuoteSelection,
                     "the quote is over other PCRs or banks than the evidence gives values of");
        return false;
    }
    const Digest digest = base::hash(hash, concatenated);
    if (!std::ranges::equal(Bytes(digest), Bytes(quoted.pcrDigest.buffer, quoted.pcrDigest.size))) {
        findings.add(codes::kQuoteDigest, "the PCR values of the evidence are not the quoted ones");
        return false;
    }
    return true;
}

Result<PublicNumbers> rsa_numbers(const TPMT_PUBLIC& from) {
    PublicNumbers numbers{.n_or_x = number(bytes_of(from.unique.rsa))};
    const std::size_t bits = numbers.n_or_x.empty()
                                 ? 0
                                 : 8 * numbers.n_or_x.size() - std::countl_zero(numbers.n_or_x[0]);
    if (bits < kLeastRsaBits) return fail("an RSA key of fewer than 2048 bits", "TPMT_PUBLIC");
    // 0 stands for the usual one (Part 2, 12.2.3.5).
    std::uint32_t exponent = from.parameters.rsaDetail.exponent;
    if (exponent == 0) exponent = 65537;
    std::array<std::uint8_t, 4> bytes;
    for (int i = 0; i < 4; ++i) bytes[i] = static_cast<std::uint8_t>(exponent >> (24 - 8 * i));
    numbers.e_or_y = number(bytes);
    return numbers;
}

Result<PublicNumbers> ecc_numbers(const TPMT_PUBLIC& from) {
    const auto curve =
        std::ranges::find(kTpmCurves, from.parameters.eccDetail.curveID, &Curve::tpm);
    if (curve == std::end(kTpmCurves)) return fail("an ECC key on another curve", "TPMT_PUBLIC");
    const TPM2B_ECC_PARAMETER &x = from.unique.ecc.x, &y = from.unique.ecc.y;
    if (x.size > curve->size || y.size > curve->size)
        return fail("a coordinate that is too large", "TPMT_PUBLIC");
    return PublicNumbers{curve->tpm, number({x.buffer, x.size}), number({y.buffer, y.size})};
}

}  // namespace

Result<AttestationKey> AttestationKey::parse(std::string_view content, std::string label) {
    const std::string file = label.empty() ? "attestation key" : label;
    auto found = read_certificate_file(as_bytes(content), file);
    if (!found) return std::unexpected(found.error());
    if (auto none = refuse_loose_data(*found, file); !none) return std::unexpected(none.error());
    const std::size_t count = found->public_keys.size() + found->certificates.size();
    if (count != 1)
        return fail(count == 0 ? "no public key is in it"
                               : "it has " + std::to_string(count) + " keys: only one may be in it",
                    file, "`keyscribe ak create` and `tpm2_createak -f pem` write one");
    const auto view = found->certificates.empty()
                          ? std::nullopt
                          : keyrings::view_certificate(found->certificates[0].der);
    const Bytes spki = view ? view->spki : Bytes(found->public_keys.at(0).der);
    keyrings::PublicKey key = keyrings::read_public_key(spki);
    if (!key)
        return fail(
            "a public key that OpenSSL cannot read, or RSA with an exponent of over 64 bits", file);
    auto numbers = numbers_of(key.get(), file);
    if (!numbers) return std::unexpected(numbers.error());
    AttestationKey made;
    made.der_ = keyrings::canonical_spki(key.get());
    if (made.der_.empty() || numbers->n_or_x.empty() || numbers->e_or_y.empty())
        return fail("a key that OpenSSL cannot write", file);
    made.numbers_ = std::move(*numbers);
    made.label_ = std::move(label);
    made.impl_ = std::make_shared<const Impl>(Impl{std::move(key)});
    return made;
}

Result<TpmPublic> parse_public(Bytes bytes) {
    TPMT_PUBLIC parsed{};
    std::size_t offset = 0;
    if (Tss2_MU_TPMT_PUBLIC_Unmarshal(bytes.data(), bytes.size(), &offset, &parsed) != 0 ||
        offset != bytes.size())
        return fail("not a TPMT_PUBLIC from end to end", "ak");
    auto numbers = parsed.type == TPM2_ALG_RSA   ? rsa_numbers(parsed)
                   : parsed.type == TPM2_ALG_ECC ? ecc_numbers(parsed)
                                                 : fail("neither RSA nor ECC", "ak");
    if (!numbers) return std::unexpected(numbers.error());
    const auto name_algorithm = algorithm_of(parsed.nameAlg);
    if (!name_algorithm) return fail("an unknown nameAlg", "ak");

    TpmPublic found{.numbers = std::move(*numbers)};
    found.lacking = wrong_attributes(parsed.objectAttributes, TPMA_OBJECT_DECRYPT);
    found.restricted_signing = found.lacking.empty();
    found.name = {static_cast<std::uint8_t>(parsed.nameAlg >> 8),
                  static_cast<std::uint8_t>(parsed.nameAlg)};
    const Digest digest = hash(*name_algorithm, bytes);
    found.name.insert(found.name.end(), digest.bytes.begin(), digest.bytes.begin() + digest.size);
    return found;
}

Result<TpmPublic> check_enrolment(Bytes ak_pub, std::string_view pem, Bytes name) {
    if (ak_pub.size() < 2 || load_be16(ak_pub.data()) != ak_pub.size() - 2)
        return fail("not a TPM2B_PUBLIC from end to end", "ak.pub",
                    "`keyscribe ak create` and `tpm2_createak -u` write one");
    auto found = parse_public(ak_pub.subspan(2));
    if (!found) return fail(found.error().what, "ak.pub", found.error().hint);
    if (!found->restricted_signing)
        return fail("not a key that signs only what its TPM made: it is " + found->lacking,
                    "ak.pub", "such a key proves nothing: do not enrol it");
    const auto key = AttestationKey::from_pem(pem);
    if (!key) return fail(key.error().what, "ak.pem", key.error().hint);
    if (key->numbers() != found->numbers)
        return fail("another key than that of ak.pub", "ak.pem",
                    "whoever sent it can sign quotes outside of the TPM: do not enrol it");
    if (!name.empty() && !std::ranges::equal(name, found->name))
        return fail("the name " + to_hex(name) + " is not that of ak.pub, " + to_hex(found->name),
                    "ak.name", "make the credential for the name of ak.pub");
    return found;
}

std::optional<std::vector<std::pair<Algorithm, unsigned>>> quoted_pcrs(Bytes bytes) {
    Findings untold;
    const auto attest = parse_attest(bytes, untold);
    return attest ? selected(attest->attested.quote.pcrSelect) : std::nullopt;
}

std::optional<QuoteClaims> verify_quote(const evidence::Quote& quote, const AttestationKey& key,
                                        Bytes nonce, Findings& findings) {
    const auto attest = parse_attest(quote.attest, findings);
    if (!attest) return std::nullopt;
    const auto signature = parse_signature(quote.signature);
    if (!signature) {
        findings.add(codes::kQuoteSignature,
                     "the quote's signature was not checked: it is malformed, or of a scheme or "
                     "digest that is not accepted (SHA-1)");
        return std::nullopt;
    }
    const bool rsa =
        quote.signature.size() >= 2 && load_be16(quote.signature.data()) != TPM2_ALG_ECDSA;
    if (!verifies(key.impl().key.get(), *signature, rsa, quote.attest)) {
        findings.add(codes::kQuoteSignature, "the quote is not signed by the attestation key");
        return std::nullopt;
    }
    bool good = true;
    if (!std::ranges::equal(Bytes(attest->extraData.buffer, attest->extraData.size), nonce)) {
        findings.add(codes::kQuoteNonce,
                     "the quote is over another nonce than the one that was asked for");
        good = false;
    }
    good = check_values(attest->attested.quote, signature->hash, quote.pcrs, findings) && good;
    if (!good) return std::nullopt;
    return QuoteClaims{.reset_count = attest->clockInfo.resetCount,
                       .restart_count = attest->clockInfo.restartCount,
                       .clock = attest->clockInfo.clock,
                       .clock_is_safe = attest->clockInfo.safe == TPM2_YES,
                       .firmware = attest->firmwareVersion,
                       .signer = {attest->qualifiedSigner.name,
                                  attest->qualifiedSigner.name + attest->qualifiedSigner.size}};
}

}  // namespace keyscribe::appraise
