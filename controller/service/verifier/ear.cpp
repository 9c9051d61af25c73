// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/ear.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>

#include "controller/base/base64.h"
#include "controller/service/appraise/openssl.h"

namespace keyscribe::verifier {
namespace {

using appraise::Owned;
using nlohmann::json;

constexpr std::size_t kNumber = 32;  // bytes of a P-256 number

std::string number_text(EVP_PKEY* key, const char* name) {
    BIGNUM* number = nullptr;
    EVP_PKEY_get_bn_param(key, name, &number);
    const Owned<BIGNUM> owned(number);
    std::array<std::uint8_t, kNumber> bytes{};
    BN_bn2binpad(number, bytes.data(), kNumber);
    return to_base64url(bytes);
}

/// Of a result in which nothing is known: who asks again may hear more.
constexpr std::int64_t kUnknownLife = 60;  // seconds

/// Until then its verdict may be believed: then it must have been heard of, or time alone may have
/// changed what the verdict stands on.
std::int64_t end_of(const HostRow& host) { return std::min(host.deadline, host.verdict_until); }

/// AR4SI's tiers (draft-ietf-rats-ar4si, 2.3).
struct Tier {
    const char* name;
    int number;
};
Tier tier_of(const HostRow& host, std::int64_t time) {
    if (host.silent || time >= end_of(host)) return {"none", 0};
    if (host.verdict == "affirmed") return {"affirming", 2};
    if (host.verdict == "contraindicated") return {"contraindicated", 96};
    return {"none", 0};
}

}  // namespace

SecretText EarSigner::make_key() {
    const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
    const Owned<BIO> out(BIO_new(BIO_s_secmem()));
    PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

Result<EarSigner> EarSigner::load(const SecretText& pem) {
    const Owned<BIO> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    EarSigner signer;
    signer.key_.reset(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
    if (!signer.key_ || EVP_PKEY_is_a(signer.key_.get(), "EC") != 1)
        return fail("the key that signs results is damaged", "database");
    const std::string x = number_text(signer.key_.get(), OSSL_PKEY_PARAM_EC_PUB_X);
    const std::string y = number_text(signer.key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y);
    // In this order and without a space: the text whose digest names the key.
    const std::string canonical =
        R"({"crv":"P-256","kty":"EC","x":")" + x + R"(","y":")" + y + "\"}";
    signer.id_ = to_base64url(sha256(as_bytes(canonical)));
    signer.public_ = {{"kty", "EC"},  {"crv", "P-256"}, {"x", x},           {"y", y},
                      {"use", "sig"}, {"alg", "ES256"}, {"kid", signer.id_}};
    return signer;
}

json EarSigner::claims(const HostRow& host, const ResultParts& parts, std::int64_t time) {
    const Tier tier = tier_of(host, time);
    json vector = json::object();
    // Instance identity: the key that signed lives in the TPM that was enrolled. Executables and
    // configuration: what the keyrings, and so signed files and modules, are judged by.
    if (tier.number != 0)
        vector = {{"instance-identity", 2},
                  {"configuration", tier.number},
                  {"executables", tier.number == 2 ? 3 : tier.number},
                  {"hardware", 2}};
    const bool older = parts.with_older_names;
    const auto name = [older](const char* now, const char* then) { return older ? then : now; };
    json appraisal = {{name("ear_status", "ear.status"), tier.name},
                      {"keyscribe_host", host.id},
                      {"keyscribe_name", host.name},
                      {"keyscribe_group", host.group},
                      {"keyscribe_verdict", host.verdict},
                      {"keyscribe_since", host.verdict_since},
                      {"keyscribe_last_seen", host.last_seen},
                      {"keyscribe_silent", host.silent || time >= host.deadline}};
    if (!vector.empty())
        appraisal[name("ear_trustworthiness_vector", "ear.trustworthiness-vector")] = vector;
    if (!host.basis.empty()) {
        const std::string policy = "urn:keyscribe:basis:" + host.basis;
        if (older)
            appraisal["ear.appraisal-policy-id"] = policy;
        else
            appraisal["ear_appraisal_policy_ids"] = {policy};
    }
    json claims = {{"eat_profile", older ? kOlderEarProfile : kEarProfile},
                   {"iat", time},
                   {name("ear_verifier_id", "ear.verifier-id"),
                    {{"developer", "https://keyscribe.org"},
                     {"build", "keyscribe-verifier " KEYSCRIBE_VERSION}}},
                   {"submods", {{"keyscribe", appraisal}}}};
    claims["exp"] = tier.number != 0 ? end_of(host) : time + kUnknownLife;
    if (!parts.nonce.empty()) claims["eat_nonce"] = parts.nonce;
    return claims;
}

std::string EarSigner::sign(const json& claims) const {
    const json header = {{"alg", "ES256"}, {"typ", "JWT"}, {"kid", id_}};
    std::string text =
        to_base64url(as_bytes(header.dump())) + '.' + to_base64url(as_bytes(claims.dump()));
    const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
    std::array<std::uint8_t, 80> der{};
    std::size_t size = der.size();
    EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get());
    EVP_DigestSign(context.get(), der.data(), &size,
                   reinterpret_cast<const unsigned char*>(text.data()), text.size());
    // RFC 7518, 3.4: the two numbers side by side.
    const unsigned char* at = der.data();
    const Owned<ECDSA_SIG> signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
    std::array<std::uint8_t, 2 * kNumber> raw{};
    BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), raw.data(), kNumber);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), raw.data() + kNumber, kNumber);
    return text + '.' + to_base64url(raw);
}

json EarSigner::jwks() const { return {{"keys", {public_}}}; }

}  // namespace keyscribe::verifier
