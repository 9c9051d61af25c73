// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/key_judge.h"

#include <algorithm>

#include "controller/service/appraise/codes.h"
#include "controller/service/appraise/coverage.h"

namespace keyscribe::appraise {
namespace {

using keyrings::Key;
using keyrings::KeyId;
using keyrings::KeyringModel;
using keyrings::kNone;
using keyrings::Link;
using keyrings::LinkId;

// Unknown keys beyond this are counted, not remembered: a list of millions must not fill the
// memory.
constexpr std::size_t kMaxMaterials = 30'000;

/// Of a payload without a record the type is not told: it is judged as that of a certificate.
std::string_view judged_type(const Key& key) {
    return key.type.empty() ? kAsymmetric : std::string_view(key.type);
}

/// In every form that it is known in.
KeyDigests digests_of(const Material& material) {
    KeyDigests digests;
    if (material.has_payload && !material.certificate.empty())
        digests = digests_of_payload(material.certificate);
    else if (!material.public_key.empty())
        digests = digests_of_public_key(material.public_key, material.algorithm);
    if (material.digest) digests.certificate = material.digest;
    if (material.key_digest) digests.key = material.key_digest;
    return digests;
}

template <class T>
void grow(std::vector<T>& to, std::size_t index, const T& blank) {
    if (index >= to.size()) to.resize(index + 1, blank);
}

}  // namespace

/// How a key is named in sentences.
std::string KeyJudge::Subject::text() const {
    std::string text = "the key";
    std::string name = printable(description);
    if (name.empty() && !material.certificate.empty())
        if (const auto view = keyrings::view_certificate(material.certificate))
            name = keyrings::display_name(*view);
    if (!name.empty()) text += " \"" + name + '"';
    if (material.digest)
        text += " (SHA-256 " + to_hex(*material.digest) + ')';
    else if (material.key_digest)
        text += " (public key's SHA-256 " + to_hex(*material.key_digest) + ')';
    return text + " in " + printable(ring);
}

Bytes KeyJudge::bytes(keyrings::Extent extent) const {
    if (extent.size == 0) return {};
    return extent.offset < kept_.size() ? kept_.subspan(extent.offset, extent.size)
                                        : added_.subspan(extent.offset - kept_.size(), extent.size);
}

bool KeyJudge::is_watched(std::string_view ring) const {
    return matches_any(policy_.keyrings.watched, ring) &&
           !matches_any(policy_.keyrings.exempt, ring);
}

/// Names without a dot can be made by everybody: the list says whose the keyring is. Where it does
/// not, it is judged. One that was given to a user may be trusted as before.
bool KeyJudge::is_of_user(const Key& ring) const {
    const auto& owners = policy_.keyrings.owners;
    const auto is_judged = [&](std::uint32_t uid) {
        return std::ranges::find(owners, uid) != owners.end();
    };
    return ring.owner_known && !ring.description.starts_with('.') && !is_judged(ring.uid) &&
           !(ring.former_uid && is_judged(*ring.former_uid));
}

std::set<std::uint32_t> KeyJudge::judged_users(const KeyringModel& model,
                                               const std::set<std::uint32_t>& users) const {
    std::set<std::uint32_t> judged;
    const auto is_judged = [&](const Key& key) {
        return key.is_keyring() && !is_of_user(key) && is_watched(key.description);
    };
    for (KeyId id = 0; id < model.keys(); ++id)
        if (const Key& key = model.key(id); users.contains(key.uid) && is_judged(key))
            judged.insert(key.uid);
    for (LinkId id = 0; id < model.links(); ++id) {
        const Link& link = model.link(id);
        if (link.keyring == keyrings::kNone || !is_judged(model.key(link.keyring))) continue;
        const Key& key = model.key(link.key);
        // A key that no record is about may be anybody's.
        if (!key.told) return users;
        if (users.contains(key.uid)) judged.insert(key.uid);
    }
    return judged;
}

bool KeyJudge::is_named(const KeyringModel& model, KeyId id) const {
    const Key& ring = model.key(id);
    return named_.contains(id) ||
           names_keyring(in_force_, ring.description, ring.owner_known ? ring.uid : 0);
}

void KeyJudge::policy(const list::Policy& record) {
    named_.clear();
    last_policy_ = record;
}

void KeyJudge::baseline(const KeyringModel& model, const list::BaselineBegin& begin) {
    for (const list::KeyringName& ring : begin.keyrings)
        if (const KeyId id = ring.rule ? model.find(ring.serial) : kNone; id != kNone)
            named_.insert(id);
}

bool KeyJudge::is_beyond_bounds(const list::Payload& payload) const {
    return materials_.size() >= kMaxMaterials &&
           references_.by_certificate(*payload.digest) == nullptr &&
           (blocked_.empty() || !blocked_.contains(digests_of_payload(payload.bytes)));
}

void KeyJudge::tell_beyond_bounds(std::string_view ring, std::uint64_t entry) {
    if (is_watched(ring) && matches_any(policy_.keyrings.types, kAsymmetric))
        findings_.add(codes::kKeyUnknown, "one key more, in a list of very many", in_list(entry));
}

MaterialId KeyJudge::material_of(KeyId key) const {
    return key < material_of_.size() ? material_of_[key] : kNoMaterial;
}

void KeyJudge::find_material(const KeyringModel& model, KeyId id, const list::KeyFacts* facts) {
    const Key& key = model.key(id);
    MaterialId found = kNoMaterial;
    if (key.sha256) found = materials_.by_payload(*key.sha256, bytes(key.payload));
    if (key.fingerprint) {
        // A public key that the kernel shows is the one that it uses: more than a payload says.
        const auto* known = found == kNoMaterial ? nullptr : &materials_[found];
        if (known == nullptr || (known->key_digest && *known->key_digest != *key.fingerprint))
            found = materials_.by_public_key(*key.fingerprint, bytes(key.public_key),
                                             std::string_view(key.algorithm),
                                             facts != nullptr ? facts->ids : std::vector<Bytes>());
    }
    grow(material_of_, id, kNoMaterial);
    material_of_[id] = found;
}

void KeyJudge::changed(const KeyringModel& model, const list::KeyFacts* facts,
                       std::uint64_t entry) {
    const auto& changes = model.changes();
    if (changes.key != kNone) {
        const Key& changed = model.key(changes.key);
        tell_given_away(changed, entry);
        if (changed.is_keyring()) note_adopted(model, changes.key, entry);
        find_material(model, changes.key, facts);
        if (facts != nullptr && facts->expiry != 0) timeouts_[changes.key] = entry;
        // It may have become judgeable without coming anew.
        model.for_each_holder(changes.key, [&](LinkId link) {
            note_adopted(model, model.link(link).keyring, entry);
            evaluate(model, link, entry);
        });
    }
    for (const LinkId link : changes.began) {
        note_adopted(model, model.link(link).keyring, entry);
        const KeyId key = model.link(link).key;
        if (key == changes.key) {
            evaluate(model, link, entry);
            continue;
        }
        // A payload before this record, which no record says whose it is.
        find_material(model, key, facts);
        evaluate(model, link, model.link(link).since.entry);
    }
}

/// The host's rules about root's keyrings measure it no more, and who made it trusts it as before.
void KeyJudge::tell_given_away(const Key& ring, std::uint64_t entry) {
    const auto& owners = policy_.keyrings.owners;
    if (!ring.former_uid || ring.description.starts_with('.') || is_of_user(ring) ||
        !is_watched(ring.description) || std::ranges::find(owners, ring.uid) != owners.end())
        return;
    findings_.add(codes::kKeyringUnmeasured,
                  "the keyring \"" + printable(ring.description) + "\" was given to the user " +
                      std::to_string(ring.uid) +
                      ": rules about root's keyrings do not measure it any more",
                  in_list(entry));
}

/// A record of a key in it may be the first that tells of another owner.
void KeyJudge::note_adopted(const KeyringModel& model, KeyId ring, std::uint64_t entry) {
    if (model.key(ring).former_uid && !is_of_user(model.key(ring)))
        adopted_.try_emplace(ring, entry);
}

/// What stood in them when they became a judged owner's.
void KeyJudge::judge_adopted(const KeyringModel& model) {
    if (adopted_.empty()) return;
    for (LinkId id = 0; id < model.links(); ++id) {
        const Link& link = model.link(id);
        const auto since = adopted_.find(link.keyring);
        if (since == adopted_.end() || link.until.entry < since->second) continue;
        grow(judged_as_, id, kNoMaterial);
        if (!verdicts_[id].judged) judged_as_[id] = kNoMaterial;
        evaluate(model, id, std::max<std::uint64_t>(link.since.entry, since->second));
    }
}

void KeyJudge::give_reason(LinkId link, const Code& code, bool allowed) {
    KeyVerdict& verdict = verdicts_[link];
    const Weight weight = allowed ? Weight::kNote : code.weight;
    if (!verdict.has(code.name)) verdict.reasons.push_back({code.name, weight});
    verdict.weight = std::max(verdict.weight, weight);
}

void KeyJudge::add(LinkId link, const Code& code, bool allowed, std::string sentence,
                   std::uint64_t entry) {
    give_reason(link, code, allowed);
    findings_.add(code, allowed, std::move(sentence), in_list(entry));
}

void KeyJudge::evaluate(const KeyringModel& model, LinkId id, std::uint64_t entry) {
    const Link& link = model.link(id);
    const Key& key = model.key(link.key);
    const Key& ring = model.key(link.keyring);
    grow(verdicts_, id, {});
    grow(judged_as_, id, kNoMaterial);
    if (key.is_keyring()) return;  // finish() looks at those
    const bool of_user = is_of_user(ring);
    const bool judged = !of_user && is_watched(ring.description) &&
                        matches_any(policy_.keyrings.types, judged_type(key));
    KeyVerdict& verdict = verdicts_[id];
    verdict.judged = verdict.judged || judged;
    const auto name = [&] {
        return "the key \"" + printable(key.description) + "\" in " + printable(ring.description);
    };
    if (judged && (key.marks & (list::kRevoked | list::kInvalidated)) != 0 &&
        !verdict.has(codes::kKeyRevoked.name))
        add(id, codes::kKeyRevoked, policy_.keys.allow_revoked,
            name() + ((key.marks & list::kRevoked) != 0 ? " was revoked" : " was invalidated"),
            entry);
    if ((key.marks & (list::kNegative | list::kUnderConstruction)) != 0) return;
    const MaterialId material = material_of(link.key);
    if (material == kNoMaterial) {
        if (judged) unidentified_.try_emplace(id, entry);
        return;
    }
    unidentified_.erase(id);
    if (judged_as_[id] == material) return;
    judged_as_[id] = material;
    const Subject subject{materials_[material], ring.description, key.description};
    const Material& what = subject.material;
    const bool blocked = !blocked_.empty() && blocked_.contains(digests_of(what));
    // What stands on the kernel's own lists of bad keys is where it should be. A user's keyring is
    // told of and denies nothing: each could have every host contraindicated.
    const bool is_list_of_bad =
        ring.description == ".blacklist" || ring.description == ".ima_blacklist";
    const std::string sentence = blocked ? subject.text() + " is on the blocked list" : "";
    if (blocked && of_user)
        findings_.add(codes::kKeyBlocked, true, sentence + ", in a user's keyring", in_list(entry));
    else if (blocked && !is_list_of_bad)
        add(id, codes::kKeyBlocked, false, sentence, entry);
    if (!judged) return;
    judge_reference(id, subject, entry);
    judge_dates(id, subject, entry);
}

void KeyJudge::judge_reference(LinkId link, const Subject& key, std::uint64_t entry) {
    const Material& material = key.material;
    const Match match = references_.match(material.digest, material.key_digest, key.ring);
    verdicts_[link].match = match;
    if (match == Match::kCertificate) return;
    if (match == Match::kPublicKey) {
        if (material.has_payload)
            add(link, codes::kKeyOtherCertificate, policy_.keys.allow_other_certificate,
                key.text() + " has a reference value's public key, but is another certificate",
                entry);
        return;
    }
    const auto view = keyrings::view_certificate(material.certificate);
    const auto* same_name = view ? references_.by_subject(view->subject) : nullptr;
    if (match == Match::kOtherKeyring)
        add(link, codes::kKeyUnknown, false,
            key.text() + " is a reference value of another keyring only", entry);
    else if (same_name != nullptr)
        add(link, codes::kKeySameName, false,
            key.text() + " bears the name of a reference value, but is another key", entry);
    else
        add(link, codes::kKeyUnknown, false, key.text() + " is not among the reference values",
            entry);
}

void KeyJudge::judge_dates(LinkId link, const Subject& key, std::uint64_t entry) {
    std::vector<keyrings::CertificateView> views;
    for (const Bytes der : materials_.certificates_of(key.material, key.ring))
        if (const auto view = keyrings::view_certificate(der)) views.push_back(*view);
    for (const auto& view : views) {
        note_time(view.not_before);
        note_time(view.not_after + 1);
    }
    const auto expired = [this](const auto& view) { return view.not_after < now_; };
    const auto too_early = [this](const auto& view) { return view.not_before > now_; };
    // Of several certificates of one key, one that is valid is enough.
    if (std::ranges::any_of(views,
                            [&](const auto& view) { return !expired(view) && !too_early(view); }))
        return;
    if (!views.empty() && std::ranges::all_of(views, expired))
        add(link, codes::kKeyExpired,
            policy_.keys.allow_expired ||
                std::ranges::find(policy_.keys.allow_expired_in, key.ring) !=
                    policy_.keys.allow_expired_in.end(),
            key.text() + " has expired", entry);
    if (std::ranges::any_of(views, too_early))
        add(link, codes::kKeyNotYetValid, policy_.keys.allow_not_yet_valid,
            key.text() + " is not valid yet", entry);
}

}  // namespace keyscribe::appraise
