// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/chain.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <set>

#include "controller/keyrings/certificate.h"
#include "controller/service/appraise/codes.h"

namespace keyscribe::appraise {
namespace {

/// crypto/asymmetric_keys/x509_cert_parser.c gives these names.
struct CurveName {
    std::string_view kernel;
    const char* openssl;
};
constexpr CurveName kKernelCurves[] = {{"ecdsa-nist-p192", "prime192v1"},
                                       {"ecdsa-nist-p256", "prime256v1"},
                                       {"ecdsa-nist-p384", "secp384r1"},
                                       {"ecdsa-nist-p521", "secp521r1"}};

struct FreeBuilder {
    void operator()(OSSL_PARAM_BLD* builder) const { OSSL_PARAM_BLD_free(builder); }
};

Owned<EVP_PKEY> ec_key(Bytes point, const char* curve) {
    std::unique_ptr<OSSL_PARAM_BLD, FreeBuilder> builder(OSSL_PARAM_BLD_new());
    if (!builder ||
        OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                         point.size()) != 1)
        return nullptr;
    OSSL_PARAM* parameters = OSSL_PARAM_BLD_to_param(builder.get());
    Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
    EVP_PKEY* key = nullptr;
    if (parameters != nullptr && context && EVP_PKEY_fromdata_init(context.get()) == 1)
        (void)EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters);
    OSSL_PARAM_free(parameters);
    return Owned<EVP_PKEY>(key);
}

/// Whether a key with one of these certificates can be the issuer that `signed_one` names; where
/// little is known of it, yes.
bool may_have_signed(const std::vector<Bytes>& signer,
                     const keyrings::CertificateView& signed_one) {
    bool known = false;
    for (const Bytes der : signer)
        if (const auto view = keyrings::view_certificate(der)) {
            known = true;
            if (std::ranges::equal(view->subject, signed_one.issuer)) return true;
        }
    return !known;
}

class Chains {
  public:
    Chains(const AppraisalPolicy& policy, const std::vector<Presence>& presences,
           const Materials& materials, const TellChain& tell)
        : policy_(policy),
          presences_(presences),
          materials_(materials),
          tell_(tell),
          keys_(materials) {}

    void check() {
        // What nobody vouches by is not tried: a rogue list cannot make signatures be verified.
        for (const Presence& presence : presences_)
            if (presence.vouches) vouching_.push_back(&presence);
        for (const Presence& presence : presences_) {
            const auto rule = policy_.chain.signers.find(presence.ring);
            if (rule == policy_.chain.signers.end() || !presence.judged) continue;
            check(presence, rule->first, rule->second);
        }
    }

  private:
    enum class Answer { kNotSigned, kSignedLater, kSigned };

    void check(const Presence& presence, const std::string& ring, const Names& signers) {
        const Material& material = materials_[presence.material];
        if (material.reference != nullptr && (material.by_certificate || !material.has_payload) &&
            matches_any(policy_.chain.reference_suffices, ring))
            return;
        const auto view = keyrings::view_certificate(material.certificate);
        const std::string what =
            "the key" + (view ? " \"" + keyrings::display_name(*view) + '"' : std::string()) +
            " in " + ring;
        if (!view) {
            tell_(presence.link, codes::kChainBroken,
                  what + " has no certificate that could be verified", presence.since.entry);
            return;
        }
        Answer best = Answer::kNotSigned;
        std::string unverifiable;
        for (const Bytes der : materials_.certificates_of(material, ring)) {
            if (std::string why = keyrings::why_unverifiable(der); !why.empty())
                unverifiable = std::move(why);
            else
                best = std::max(best, find_signer(presence, der, signers));
        }
        if (best != Answer::kSigned && !unverifiable.empty()) {
            tell_(presence.link, codes::kChainBroken,
                  "who signed " + what + " cannot be checked: " + unverifiable,
                  presence.since.entry);
            return;
        }
        switch (best) {
            case Answer::kSigned:
                return;
            case Answer::kSignedLater:
                tell_(presence.link, codes::kChainOrder,
                      what + " is signed by a key that did not stand in its keyring then",
                      presence.since.entry);
                return;
            case Answer::kNotSigned:
                tell_(presence.link, codes::kChainBroken,
                      what + " is signed by no key of the keyrings that vouch for it",
                      presence.since.entry);
        }
    }

    Answer find_signer(const Presence& signed_one, Bytes der, const Names& signers) {
        const auto view = keyrings::view_certificate(der);
        const unsigned char* at = der.data();
        const Owned<X509> certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
        if (!view || !certificate) return Answer::kNotSigned;
        Answer answer = Answer::kNotSigned;
        std::set<MaterialId> refused;
        for (const Presence* signer : vouching_) {
            const Presence& presence = *signer;
            if (std::ranges::find(signers, presence.ring) == signers.end() ||
                refused.contains(presence.material) ||
                !may_have_signed(
                    materials_.certificates_of(materials_[presence.material], presence.ring),
                    *view))
                continue;
            EVP_PKEY* key = keys_.get(presence.material);
            if (key == nullptr || X509_verify(certificate.get(), key) != 1) {
                refused.insert(presence.material);
                continue;
            }
            if (presence.since <= signed_one.since && presence.until > signed_one.since)
                return Answer::kSigned;
            answer = Answer::kSignedLater;
        }
        return answer;
    }

    const AppraisalPolicy& policy_;
    const std::vector<Presence>& presences_;
    const Materials& materials_;
    const TellChain& tell_;
    PublicKeys keys_;
    std::vector<const Presence*> vouching_;
};

}  // namespace

Owned<EVP_PKEY> public_key(Bytes bits, std::string_view algorithm) {
    if (algorithm == "rsa") {
        const unsigned char* der = bits.data();
        return Owned<EVP_PKEY>(
            d2i_PublicKey(EVP_PKEY_RSA, nullptr, &der, static_cast<long>(bits.size())));
    }
    const auto curve = std::ranges::find(kKernelCurves, algorithm, &CurveName::kernel);
    return curve == std::end(kKernelCurves) ? nullptr : ec_key(bits, curve->openssl);
}

EVP_PKEY* PublicKeys::get(MaterialId id) {
    const auto [found, fresh] = keys_.try_emplace(id);
    if (!fresh) return found->second.get();
    const Material& material = materials_[id];
    if (const auto view = keyrings::view_certificate(material.certificate)) {
        const unsigned char* der = view->spki.data();
        found->second.reset(d2i_PUBKEY(nullptr, &der, static_cast<long>(view->spki.size())));
    } else if (!material.public_key.empty()) {
        found->second = public_key(material.public_key, material.algorithm);
    }
    return found->second.get();
}

void check_chains(const AppraisalPolicy& policy, const std::vector<Presence>& presences,
                  const Materials& materials, const TellChain& tell) {
    Chains(policy, presences, materials, tell).check();
    ERR_clear_error();
}

}  // namespace keyscribe::appraise
