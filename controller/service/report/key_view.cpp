// SPDX-License-Identifier: Apache-2.0
#include "controller/service/report/key_view.h"

#include <algorithm>

namespace keyscribe::report {
namespace {

using appraise::Match;
using appraise::matches_any;

/// Everything about one key, step by step.
class Viewing {
  public:
    Viewing(const Judgement& judgement, const keyrings::Link& link)
        : judgement_(judgement),
          key_(judgement.story.model().key(link.key)),
          ring_(judgement.story.model().key(link.keyring).description) {}

    KeyView run() {
        identify();
        const auto& rules = judgement_.basis.policy.keyrings;
        view_.judged = matches_any(rules.types, key_.type.empty() ? "asymmetric"
                                                                  : std::string_view(key_.type)) &&
                       matches_any(rules.watched, ring_) && !matches_any(rules.exempt, ring_);
        compare();
        date();
        mark();
        return std::move(view_);
    }

  private:
    void identify() {
        view_.payload = key_.sha256;
        if (key_.fingerprint) view_.fingerprint = *key_.fingerprint;
        view_.algorithm = std::string_view(key_.algorithm);
        const auto& references = judgement_.basis.references;
        Bytes der = judgement_.story.bytes(key_.payload);
        const std::vector<std::uint32_t>* known = nullptr;
        if (der.empty()) {
            if (view_.payload) known = references.by_certificate(*view_.payload);
            if (known == nullptr && view_.fingerprint)
                known = references.by_public_key(*view_.fingerprint);
            if (known == nullptr) return;
            der = references.all()[known->front()].view.der;
            view_.certificate_is_reference = true;
        }
        auto certificate = keyrings::parse_certificate(der);
        if (!certificate) return;
        view_.der = der;
        view_.fingerprint = certificate->fingerprint;
        view_.algorithm = certificate->algorithm;
        view_.certificate = std::move(*certificate);
    }

    void add(bool bad, const char* kind, std::string text) {
        view_.badges.push_back({kind, std::move(text)});
        view_.contraindicated = view_.contraindicated || bad;
    }

    void compare() {
        const auto& basis = judgement_.basis;
        const auto is_blocked = [&](const std::optional<Sha256>& digest) {
            return digest && basis.blocked_keys.contains(*digest);
        };
        if (!view_.judged) return add(false, "", "not judged");
        if (is_blocked(view_.payload) || is_blocked(view_.fingerprint)) add(true, "bad", "blocked");
        const Match match = basis.references.match(view_.payload, view_.fingerprint, ring_);
        const bool other = match == Match::kPublicKey && key_.payload.size != 0;
        if (match == Match::kCertificate || match == Match::kPublicKey) name_reference(match);
        if (match == Match::kNone)
            add(true, "bad", view_.payload || view_.fingerprint ? "unknown" : "unidentified");
        else if (match == Match::kOtherKeyring)
            add(true, "bad", "known for another keyring only");
        else if (other && !basis.policy.keys.allow_other_certificate)
            add(true, "bad", "known key, other certificate");
        else if (match == Match::kPublicKey)
            add(false, "good", "known by public key");
        else
            add(false, "good", "known");
    }

    void name_reference(Match match) {
        const auto& references = judgement_.basis.references;
        const auto* found = match == Match::kCertificate
                                ? references.by_certificate(*view_.payload)
                                : references.by_public_key(*view_.fingerprint);
        view_.reference = file_name(references.all()[found->front()].file);
    }

    void date() {
        if (!view_.certificate) return;
        const auto& keys = judgement_.basis.policy.keys;
        const auto tell = [&](bool allowed, const char* text) {
            const bool bad = view_.judged && !allowed;
            add(bad, bad ? "bad" : "warn", text);
        };
        if (view_.certificate->not_after < judgement_.now) tell(keys.allow_expired, "expired");
        if (view_.certificate->not_before > judgement_.now)
            tell(keys.allow_not_yet_valid, "not yet valid");
    }

    void mark() {
        if (key_.marks & list::kRevoked) add(view_.judged, "bad", "revoked");
        if (key_.marks & list::kInvalidated) add(view_.judged, "bad", "invalidated");
        if (key_.marks & list::kNegative) add(false, "warn", "negative");
        if (keyrings::KeyringModel::is_expired(key_, judgement_.now))
            add(false, "warn", "timed out");
        if (!key_.withheld.empty())
            add(false, "", "content not measured: " + std::string(std::string_view(key_.withheld)));
    }

    const Judgement& judgement_;
    const keyrings::Key& key_;
    std::string_view ring_;
    KeyView view_;
};

}  // namespace

KeyView view_of(const Judgement& judgement, const keyrings::Link& link) {
    return Viewing(judgement, link).run();
}

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace keyscribe::report
