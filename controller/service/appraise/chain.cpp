// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/chain.h"

#include <algorithm>
#include <set>

#include "controller/keyrings/certificate.h"
#include "controller/keyrings/certificate_view.h"
#include "controller/service/appraise/codes.h"

namespace keyscribe::appraise {
namespace {

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
            const auto candidates = candidates_for(der, signers);
            // To read a certificate takes OpenSSL 0.1 ms: a list of rogue ones, of which no key
            // that vouches can be the signer, has a hundred thousand.
            if (candidates.empty()) continue;
            if (std::string why = keyrings::why_unverifiable(der); !why.empty())
                unverifiable = std::move(why);
            else
                best = std::max(best, find_signer(presence, der, candidates));
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

    /// Returns the keys of the signers' keyrings that can be the issuer which the certificate
    /// names.
    std::vector<const Presence*> candidates_for(Bytes der, const Names& signers) const {
        std::vector<const Presence*> candidates;
        const auto view = keyrings::view_certificate(der);
        if (!view) return candidates;
        for (const Presence* signer : vouching_)
            if (std::ranges::find(signers, signer->ring) != signers.end() &&
                may_have_signed(
                    materials_.certificates_of(materials_[signer->material], signer->ring), *view))
                candidates.push_back(signer);
        return candidates;
    }

    Answer find_signer(const Presence& signed_one, Bytes der,
                       const std::vector<const Presence*>& candidates) {
        const unsigned char* at = der.data();
        const Owned<X509> certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
        if (!certificate) return Answer::kNotSigned;
        Answer answer = Answer::kNotSigned;
        std::set<MaterialId> refused;
        for (const Presence* signer : candidates) {
            if (refused.contains(signer->material)) continue;
            EVP_PKEY* key = keys_.get(signer->material);
            if (key == nullptr || X509_verify(certificate.get(), key) != 1) {
                refused.insert(signer->material);
                continue;
            }
            if (signer->since <= signed_one.since && signer->until > signed_one.since)
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

EVP_PKEY* PublicKeys::get(MaterialId id) {
    const auto [found, fresh] = keys_.try_emplace(id);
    if (!fresh) return found->second.get();
    const Material& material = materials_[id];
    const auto view = keyrings::view_certificate(material.certificate);
    found->second = keyrings::read_public_key(
        view ? view->spki
             : Bytes(keyrings::public_key_info(material.algorithm, material.public_key)));
    return found->second.get();
}

void check_chains(const AppraisalPolicy& policy, const std::vector<Presence>& presences,
                  const Materials& materials, const TellChain& tell) {
    Chains(policy, presences, materials, tell).check();
    ERR_clear_error();
}

}  // namespace keyscribe::appraise
