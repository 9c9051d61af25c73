// SPDX-License-Identifier: Apache-2.0
#include "controller/service/report/key_view.h"

#include <algorithm>

namespace keyscribe::report {
namespace {

using appraise::Match;

/// A finding's code as a word about its key.
struct CodeWord {
    std::string_view code, word;
};
constexpr CodeWord kWords[] = {{"key-unknown", "unknown"},
                               {"key-same-name", "unknown, with a known name"},
                               {"key-other-certificate", "known key, other certificate"},
                               {"key-unidentified", "unidentified"},
                               {"key-blocked", "blocked"},
                               {"key-not-of-firmware", "not of the firmware"},
                               {"key-expired", "expired"},
                               {"key-not-yet-valid", "not yet valid"},
                               {"key-revoked", "revoked"},
                               {"keyring-unwatched", "not watched"},
                               {"chain-broken", "no signer"},
                               {"chain-order", "signer came later"}};

std::string_view word_of(std::string_view code) {
    const auto found = std::ranges::find(kWords, code, &CodeWord::code);
    return found == std::end(kWords) ? code : found->word;
}

/// Everything about one key, step by step.
class Viewing {
  public:
    Viewing(const Judgement& judgement, keyrings::LinkId id)
        : judgement_(judgement),
          key_(judgement.story.model().key(judgement.story.model().link(id).key)),
          verdict_(judgement.story.verdict(id)) {}

    KeyView run() {
        identify();
        view_.judged = verdict_.judged;
        view_.contraindicated = verdict_.weight == appraise::Weight::kContraindicates;
        tell();
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

    void add(const char* kind, std::string text) {
        view_.badges.push_back({kind, std::move(text)});
    }

    /// What the appraisal says of it, and what it is besides.
    void tell() {
        if (!view_.judged) add("", "not judged");
        for (const appraise::Reason& reason : verdict_.reasons) {
            const bool bad = reason.weight == appraise::Weight::kContraindicates;
            const bool other =
                reason.code == "key-unknown" && verdict_.match == Match::kOtherKeyring;
            add(bad ? "bad" : "warn",
                std::string(other ? "known for another keyring only" : word_of(reason.code)));
        }
        if (verdict_.match == Match::kCertificate || verdict_.match == Match::kPublicKey) {
            if (!verdict_.has("key-other-certificate"))
                add("good", verdict_.match == Match::kPublicKey ? "known by public key" : "known");
            name_reference();
        }
        if (key_.marks & list::kInvalidated) add("", "invalidated");
        if (key_.marks & list::kNegative) add("", "negative");
        if (!key_.withheld.empty())
            add("", "content not measured: " + std::string(std::string_view(key_.withheld)));
    }

    void name_reference() {
        const auto& references = judgement_.basis.references;
        const std::vector<std::uint32_t>* found = nullptr;
        if (view_.payload) found = references.by_certificate(*view_.payload);
        if (found == nullptr && view_.fingerprint)
            found = references.by_public_key(*view_.fingerprint);
        if (found != nullptr) view_.reference = file_name(references.all()[found->front()].file);
    }

    const Judgement& judgement_;
    const keyrings::Key& key_;
    const appraise::KeyVerdict& verdict_;
    KeyView view_;
};

}  // namespace

KeyView view_of(const Judgement& judgement, keyrings::LinkId link) {
    return Viewing(judgement, link).run();
}

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace keyscribe::report
