// SPDX-License-Identifier: Apache-2.0
// What the whole list shows: KeyJudge::finish() and what it calls.
#include <algorithm>

#include "controller/service/appraise/chain.h"
#include "controller/service/appraise/codes.h"
#include "controller/service/appraise/coverage.h"
#include "controller/service/appraise/key_judge.h"

namespace keyscribe::appraise {

using keyrings::Key;
using keyrings::KeyId;
using keyrings::KeyringModel;
using keyrings::Link;
using keyrings::LinkId;

/// The host asks for such a key again: what a later record identifies while it stands there is not
/// among them.
void KeyJudge::tell_unidentified(const KeyringModel& model) {
    for (const auto& [id, entry] : unidentified_) {
        const Link& link = model.link(id);
        add(id, codes::kKeyUnidentified, false,
            "the key \"" + printable(model.key(link.key).description) + "\" in " +
                printable(model.key(link.keyring).description) +
                " cannot be identified: the list has neither its content nor its public key",
            entry);
    }
}

/// Where keys are not judged either, each is compared with the blocked ones.
void KeyJudge::tell_uncompared(const KeyringModel& model) {
    if (blocked_.empty()) return;
    std::size_t count = 0;
    std::optional<std::uint64_t> first;
    for (LinkId id = 0; id < model.links(); ++id) {
        const Link& link = model.link(id);
        const Key& key = model.key(link.key);
        constexpr auto kNoKeyYet = list::kNegative | list::kUnderConstruction;
        if (!link.stands || (key.marks & kNoKeyYet) != 0 || verdicts_[id].judged ||
            std::string_view(key.type) != kAsymmetric || is_of_user(model.key(link.keyring)) ||
            material_of(link.key) != kNoMaterial)
            continue;
        ++count;
        if (!first || link.since.entry < *first) first = link.since.entry;
    }
    if (count != 0)
        findings_.add(codes::kKeyUnidentified, true,
                      std::to_string(count) +
                          " keys of keyrings that are not judged could not be compared with the "
                          "blocked ones: the list has neither their content nor their public key",
                      in_list(*first));
}

/// A keyring by which files or keys are verified, or that the appraisal is about.
bool KeyJudge::verifies_something(std::string_view ring) const {
    const auto has = [ring](const Names& names) {
        return std::ranges::find(names, ring) != names.end();
    };
    return has(policy_.keyrings.watched) || matches_any(policy_.ima.signers, ring) ||
           policy_.chain.signers.contains(ring) ||
           std::ranges::any_of(policy_.chain.signers,
                               [&](const auto& row) { return has(row.second); });
}

/// The keyrings to which a search for a signer came, or may have come, by links.
std::set<KeyId> KeyJudge::searched_keyrings(const KeyringModel& model) const {
    constexpr int kDeepest = 6;  // KEYRING_SEARCH_MAX_DEPTH (security/keys/keyring.c)
    std::set<KeyId> searched;
    for (int depth = 0; depth < kDeepest; ++depth) {
        const std::size_t before = searched.size();
        for (LinkId id = 0; id < model.links(); ++id) {
            const Link& link = model.link(id);
            if (!model.key(link.key).is_keyring()) continue;
            const Key& ring = model.key(link.keyring);
            if (searched.contains(link.keyring) ||
                (!is_of_user(ring) && verifies_something(ring.description)))
                searched.insert(link.key);
        }
        if (searched.size() == before) break;
    }
    return searched;
}

/// Keyrings that came into a watched one: a search goes on in them, so a rule must name them, and
/// their keys be judged. Those with a dot are the kernel's, which links some of them, and keeps the
/// users' in registers of its own.
void KeyJudge::tell_unwatched(const KeyringModel& model) {
    const std::set<KeyId> searched = searched_keyrings(model);
    for (LinkId id = 0; id < model.links(); ++id) {
        const Link& link = model.link(id);
        const Key& key = model.key(link.key);
        const Key& ring = model.key(link.keyring);
        if (!key.is_keyring() || is_of_user(ring) || !is_watched(ring.description)) continue;
        const bool named = is_named(model, link.key);
        const bool judged = !is_of_user(key) && is_watched(key.description);
        const bool is_kernels = key.description.starts_with('.');
        // What a rule names, the host judges by that rule alone.
        const auto is_measured = [&] {
            return in_force_.rules.empty() ||
                   covers_keyring(in_force_, key.description, key.owner_known ? key.uid : 0,
                                  policy_);
        };
        if (named && (is_kernels || !searched.contains(link.key) || (judged && is_measured())))
            continue;
        add(id, codes::kKeyringUnwatched, false,
            "the keyring \"" + printable(key.description) + "\" is linked into " +
                printable(ring.description) +
                (!named    ? ", and no rule of the host names it"
                 : !judged ? ", and its keys are not judged"
                           : ", and the host's rules do not measure all keys that come into it"),
            link.since.entry);
    }
}

/// From then on a key is judged otherwise.
void KeyJudge::note_time(std::int64_t time) {
    if (time > now_) until_ = std::min(until_, time);
}

/// Timeouts that are over, by the service's clock: of a key, or of the keyring that it stands in.
void KeyJudge::tell_timed_out(const KeyringModel& model) {
    std::set<KeyId> told;
    for (LinkId id = 0; id < model.links(); ++id) {
        const Link& link = model.link(id);
        if (!link.stands) continue;
        note_time(model.key(link.key).expiry);
        note_time(model.key(link.keyring).expiry);
        if (!verdicts_[id].judged) continue;
        for (const KeyId which : {link.key, link.keyring}) {
            const Key& key = model.key(which);
            if (!KeyringModel::is_expired(key, now_)) continue;
            give_reason(id, codes::kKeyExpired, policy_.keys.allow_expired);
            const auto entry = timeouts_.find(which);
            if (!told.insert(which).second) continue;
            const bool itself = which == link.key;
            findings_.add(
                codes::kKeyExpired, policy_.keys.allow_expired,
                std::string(itself ? "the key \"" : "the keyring \"") + printable(key.description) +
                    '"' + (itself ? " in " + printable(model.key(link.keyring).description) : "") +
                    " has a timeout that is over",
                in_list(entry != timeouts_.end() ? entry->second : link.since.entry));
        }
    }
}

/// Its keyring, but for a revocation of its own that the service accepts. A key that was taken out
/// before has left all the same.
bool KeyJudge::has_left(const KeyringModel& model, const Link& link) const {
    const keyrings::Place end = model.end_of(link);
    if (end == keyrings::Place()) return false;
    const Key& key = model.key(link.key);
    const bool revoked = (key.marks & (list::kRevoked | list::kInvalidated)) != 0;
    return !(revoked && policy_.keys.allow_revoked && key.died == end);
}

void KeyJudge::collect_presences(const KeyringModel& model) {
    presences_.reserve(model.links());
    for (LinkId id = 0; id < model.links(); ++id) {
        const Link& link = model.link(id);
        const Key& key = model.key(link.key);
        const MaterialId material = material_of(link.key);
        if (material == kNoMaterial || key.is_keyring()) continue;
        const Material& what = materials_[material];
        const KeyVerdict& verdict = verdicts_[id];
        const bool known =
            verdict.match == Match::kCertificate || verdict.match == Match::kPublicKey;
        presences_.push_back({.link = id,
                              .ring = model.key(link.keyring).description,
                              .material = material,
                              .since = link.from,
                              .until = model.end_of(link),
                              .left = has_left(model, link),
                              .baseline = link.how == list::Operation::kBaseline,
                              .judged = verdict.judged,
                              .vouches = verdict.judged && known && what.reference != nullptr &&
                                         std::string_view(key.type) == kAsymmetric});
    }
}

/// Reference values that stand in no keyring.
void KeyJudge::tell_missing(const KeyringModel& model) {
    std::vector<bool> held(references_.all().size());
    for (const Presence& presence : presences_) {
        if (!presence.judged || !model.holds(model.link(presence.link), now_)) continue;
        const Material& material = materials_[presence.material];
        // Of several certificates of one key, any that may stand there counts.
        const std::vector<std::uint32_t>* found = nullptr;
        if (material.key_digest) found = references_.by_public_key(*material.key_digest);
        if (found == nullptr && material.digest)
            found = references_.by_certificate(*material.digest);
        if (found == nullptr) continue;
        for (const std::uint32_t index : *found) {
            const std::string& only = references_.all()[index].keyring;
            if (only.empty() || only == presence.ring) held[index] = true;
        }
    }
    std::size_t optional = 0;
    for (std::size_t i = 0; i < held.size(); ++i) {
        if (held[i]) continue;
        if (policy_.keys.required.empty()) {
            ++optional;
            continue;
        }
        const Reference& reference = references_.all()[i];
        const std::string name = reference.file.substr(reference.file.rfind('/') + 1);
        const bool required = std::ranges::any_of(
            policy_.keys.required,
            [&](const std::string& one) { return appraise::is_named(reference, one); });
        if (!required)
            ++optional;
        else
            findings_.add(codes::kKeyMissing,
                          "the key of " + printable(name) + " (SHA-256 " +
                              to_hex(reference.digest) + ") is required and stands in no keyring" +
                              (reference.keyring.empty() ? "" : " " + reference.keyring));
    }
    if (optional != 0)
        findings_.add(codes::kKeyMissing, true,
                      std::to_string(optional) + " of " + std::to_string(held.size()) +
                          " reference values stand in no keyring, and none of them is required");
}

void KeyJudge::finish(const KeyringModel& model, const FirmwareKeys& firmware) {
    verdicts_.resize(model.links());
    if (auto parsed = parse_measuring_policy(last_policy_)) in_force_ = std::move(*parsed);
    judge_adopted(model);
    tell_unidentified(model);
    tell_uncompared(model);
    tell_unwatched(model);
    tell_timed_out(model);
    collect_presences(model);
    tell_missing(model);
    find_sources(model, firmware);
    check_chains(policy_, presences_, materials_, signatures_,
                 [this](LinkId link, const Code& code, std::string sentence, std::uint64_t entry) {
                     add(link, code, false, std::move(sentence), entry);
                 });
}

}  // namespace keyscribe::appraise
