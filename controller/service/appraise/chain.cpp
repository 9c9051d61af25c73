// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/chain.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "controller/base/seeded_hash.h"
#include "controller/keyrings/certificate.h"
#include "controller/keyrings/certificate_view.h"
#include "controller/service/appraise/codes.h"

namespace keyscribe::appraise {
namespace {

/// Verifying a signature takes OpenSSL 0.03 to 1 ms. A host has some hundred keys at most; more
/// pairs of keys than this are left unverified, and told.
constexpr std::size_t kMostVerified = 5'000;
constexpr const char* kTooMany = "the list has too many keys for each to be verified";
constexpr const char* kUnreadable = "of a key that may have signed it this OpenSSL makes nothing";

/// A key in one keyring: the times for which it stood there and vouched, by when they began. A list
/// can have it come and go a hundred thousand times.
struct Signer {
    struct Stay {
        keyrings::Place since, until;
    };
    MaterialId material;
    std::string_view ring;
    std::vector<Stay> stays;

    /// Afterwards `until` is that of the longest of the stays up to there.
    void sort() {
        std::ranges::sort(stays, {}, &Stay::since);
        for (std::size_t i = 1; i < stays.size(); ++i)
            stays[i].until = std::max(stays[i].until, stays[i - 1].until);
    }
    bool stood(keyrings::Place then) const {
        const auto behind = std::ranges::upper_bound(stays, then, {}, &Stay::since);
        return behind != stays.begin() && std::prev(behind)->until > then;
    }
};

class Chains {
  public:
    Chains(const AppraisalPolicy& policy, const std::vector<Presence>& presences,
           const Materials& materials, SignatureCache* known, const TellChain& tell)
        : policy_(policy),
          presences_(presences),
          materials_(materials),
          known_(known),
          tell_(tell),
          keys_(materials) {}

    void check() {
        // What nobody vouches by is not tried: a rogue list cannot make signatures be verified.
        for (const Presence& presence : presences_)
            if (presence.vouches)
                signers_
                    .try_emplace({presence.material, presence.ring},
                                 Signer{presence.material, presence.ring, {}})
                    .first->second.stays.push_back({presence.since, presence.until});
        for (auto& [place, signer] : signers_) add(signer);
        for (const Presence& presence : presences_) {
            const auto rule = policy_.chain.signers.find(presence.ring);
            if (rule == policy_.chain.signers.end() || !presence.judged) continue;
            check(presence, rule->first, rule->second);
        }
    }

  private:
    enum class Answer { kNotSigned, kSignedLater, kSigned };
    using Signers = std::vector<const Signer*>;

    /// By the names that its certificates have: it can be the issuer that another one names. Where
    /// little is known of it, it can be anybody's.
    void add(Signer& signer) {
        signer.sort();
        std::set<std::string_view> names;
        for (const Bytes der : materials_.certificates_of(materials_[signer.material], signer.ring))
            if (const auto view = keyrings::view_certificate(der))
                names.insert(as_text(view->subject));
        for (const std::string_view name : names) by_name_[name].push_back(&signer);
        if (names.empty()) nameless_.push_back(&signer);
    }

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
        unreadable_ = false;
        for (const Bytes der : materials_.certificates_of(material, ring)) {
            const auto candidates = candidates_for(der, signers);
            // To read a certificate takes OpenSSL 0.1 ms: a list of rogue ones, of which no key
            // that vouches can be the signer, has a hundred thousand.
            if (candidates.empty()) continue;
            if (const std::string& why = why_unverifiable(der); !why.empty())
                unverifiable = why;
            else
                best = std::max(best, find_signer(presence, der, candidates));
        }
        if (best != Answer::kSigned && unreadable_) unverifiable = kUnreadable;
        if (best != Answer::kSigned && is_exhausted()) unverifiable = kTooMany;
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
    Signers candidates_for(Bytes der, const Names& signers) const {
        Signers candidates;
        const auto view = keyrings::view_certificate(der);
        if (!view) return candidates;
        const auto take = [&](const Signers& from) {
            for (const Signer* signer : from)
                if (std::ranges::find(signers, signer->ring) != signers.end())
                    candidates.push_back(signer);
        };
        if (const auto named = by_name_.find(as_text(view->issuer)); named != by_name_.end())
            take(named->second);
        take(nameless_);
        return candidates;
    }

    const std::string& why_unverifiable(Bytes der) {
        const auto [known, fresh] = unverifiable_.try_emplace(der.data());
        if (!fresh) return known->second;
        const auto make = [&] { return keyrings::why_unverifiable(der); };
        known->second = is_exhausted()      ? kTooMany
                        : known_ != nullptr ? known_->why_unverifiable(digest_of(der), make)
                                            : make();
        return known->second;
    }

    const Sha256& digest_of(Bytes der) {
        const auto [known, fresh] = digests_.try_emplace(der.data());
        if (fresh) known->second = sha256(der);
        return known->second;
    }

    /// Of the certificate and the key that may have signed it.
    Sha256 pair_of(Bytes der, MaterialId signer) {
        const auto [known, fresh] = signer_digests_.try_emplace(signer);
        if (fresh) known->second = sha256(keys_.info(signer));
        std::array<std::uint8_t, 2 * std::tuple_size_v<Sha256>> both;
        std::ranges::copy(digest_of(der), both.begin());
        std::ranges::copy(known->second, both.begin() + std::tuple_size_v<Sha256>);
        return sha256(both);
    }

    bool is_exhausted() const { return verified_.size() >= kMostVerified; }

    /// A key that came and went a hundred thousand times is verified once.
    bool is_signed_by(Bytes der, MaterialId signer) {
        if (const auto known = verified_.find({der.data(), signer}); known != verified_.end())
            return known->second;
        if (is_exhausted()) return false;
        const auto make = [&] {
            const unsigned char* at = der.data();
            const Owned<X509> certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
            EVP_PKEY* key = keys_.get(signer);
            return certificate && key != nullptr && X509_verify(certificate.get(), key) == 1;
        };
        const bool good =
            known_ != nullptr ? known_->is_signed(pair_of(der, signer), make) : make();
        verified_.emplace(std::pair(der.data(), signer), good);
        return good;
    }

    Answer find_signer(const Presence& signed_one, Bytes der, const Signers& candidates) {
        Answer answer = Answer::kNotSigned;
        for (const Signer* signer : candidates) {
            if (!is_signed_by(der, signer->material)) {
                unreadable_ = unreadable_ || keys_.get(signer->material) == nullptr;
                continue;
            }
            if (signer->stood(signed_one.since)) return Answer::kSigned;
            answer = Answer::kSignedLater;
        }
        return answer;
    }

    const AppraisalPolicy& policy_;
    const std::vector<Presence>& presences_;
    const Materials& materials_;
    SignatureCache* known_;
    const TellChain& tell_;
    PublicKeys keys_;
    bool unreadable_ = false;  // one of those that can have signed the key that is looked at
    std::map<std::pair<MaterialId, std::string_view>, Signer> signers_;
    std::unordered_map<std::string_view, Signers, base::SeededHash> by_name_;
    Signers nameless_;
    // By the certificate's first byte, and the signer.
    std::map<std::pair<const std::uint8_t*, MaterialId>, bool> verified_;
    std::map<const std::uint8_t*, std::string> unverifiable_;
    std::map<const std::uint8_t*, Sha256> digests_;
    std::map<MaterialId, Sha256> signer_digests_;
};

}  // namespace

EVP_PKEY* PublicKeys::get(MaterialId id) {
    const auto [found, fresh] = keys_.try_emplace(id);
    if (!fresh) return found->second.get();
    found->second = keyrings::read_public_key(info(id));
    return found->second.get();
}

std::vector<std::uint8_t> PublicKeys::info(MaterialId id) const {
    const Material& material = materials_[id];
    if (const auto view = keyrings::view_certificate(material.certificate))
        return {view->spki.begin(), view->spki.end()};
    return keyrings::public_key_info(material.algorithm, material.public_key);
}

void check_chains(const AppraisalPolicy& policy, const std::vector<Presence>& presences,
                  const Materials& materials, SignatureCache* known, const TellChain& tell) {
    Chains(policy, presences, materials, known, tell).check();
    ERR_clear_error();
}

}  // namespace keyscribe::appraise
