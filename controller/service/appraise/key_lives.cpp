// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/key_lives.h"

#include <algorithm>

namespace keyscribe::appraise {
namespace {

using keyrings::Key;
using keyrings::KeyId;
using keyrings::KeyringModel;
using keyrings::kNone;
using keyrings::Link;
using keyrings::LinkId;
using list::Operation;

constexpr std::string_view kSignerType = "asymmetric";

const list::KeyFacts* facts_of(const list::Record& record) {
    if (const auto* event = std::get_if<list::Event>(&record)) return &event->key;
    if (const auto* baseline = std::get_if<list::Baseline>(&record)) return &baseline->key;
    return nullptr;
}

/// Those of which the effects on the model are looked at here. `move` and `clear` have others.
bool is_of_a_life(Operation operation) {
    switch (operation) {
        case Operation::kCreate:
        case Operation::kInstantiate:
        case Operation::kUpdate:
        case Operation::kReject:
        case Operation::kLink:
        case Operation::kUnlink:
        case Operation::kRevoke:
        case Operation::kInvalidate:
        case Operation::kTimeout:
        case Operation::kSetperm:
        case Operation::kChown:
        case Operation::kDestroy:
            return true;
        default:
            return false;
    }
}

/// Whether a key may have died by it, or a dead one live again, which changes when it stood.
bool may_mark(const list::Record& record) {
    const auto* event = std::get_if<list::Event>(&record);
    if (event == nullptr) return std::holds_alternative<list::Baseline>(record);
    const bool marks = event->marks != 0 || event->operation == Operation::kRevoke ||
                       event->operation == Operation::kInvalidate ||
                       event->operation == Operation::kReject;
    return marks && (event->key.type == kSignerType || event->key.type == "keyring");
}

/// Texts and numbers one behind the other, so that no two sequences of them are one.
class Joined {
  public:
    explicit Joined(std::string& to) : to_(to) {}
    Joined& add(std::uint64_t number) {
        for (int shift = 0; shift < 64; shift += 8)
            to_.push_back(static_cast<char>(number >> shift));
        return *this;
    }
    Joined& add(std::string_view text) {
        add(text.size());
        to_ += text;
        return *this;
    }
    Joined& add(Bytes bytes) { return add(as_text(bytes)); }

  private:
    std::string& to_;
};

}  // namespace

void KeyLives::disturb(KeyId key) {
    if (const auto life = lives_.find(key); life != lives_.end()) life->second.whole = false;
}

/// A serial that is said to be a keyring's, and is the key's.
void KeyLives::disturb_named(const KeyringModel& model, const list::KeyringName& ring,
                             std::int32_t own) {
    if (ring.serial != own || own == 0) disturb(model.find(ring.serial));
}

/// Before the model takes what says that the keyring of this serial is that user's.
void KeyLives::note_owner(const KeyringModel& model, std::int32_t serial,
                          std::optional<std::uint32_t> uid) {
    const KeyId id = uid ? model.find(serial) : kNone;
    if (id == kNone || !model.key(id).is_keyring()) return;
    if (model.key(id).owner_known && model.key(id).uid != *uid) ++owners_;
}

/// Whether to name the keyring so changes nothing of what is known of it.
bool KeyLives::is_settled(const KeyringModel& model, const list::KeyringName& ring) {
    if (ring.serial == 0) return true;  // one that is not known by its name becomes a key more
    const KeyId id = model.find(ring.serial);
    if (id == kNone) return false;
    const Key& key = model.key(id);
    return key.is_keyring() && (ring.name.empty() || key.description == ring.name) &&
           (!ring.uid || (key.owner_known && key.uid == *ring.uid));
}

void KeyLives::before(const KeyringModel& model, const list::Record& record) {
    known_ = kNone;
    keys_ = model.keys();
    stood_ = standing();
    settled_ = false;
    if (const auto* begin = std::get_if<list::BaselineBegin>(&record))
        for (const list::KeyringName& ring : begin->keyrings) {
            disturb_named(model, ring, 0);
            note_owner(model, ring.serial, ring.uid);
        }
    const list::KeyFacts* facts = facts_of(record);
    if (facts == nullptr) return;
    known_ = model.find(facts->serial);
    // A record of a key that says that it holds itself names no keyring.
    const std::int32_t own = facts->type == "keyring" ? 0 : facts->serial;
    disturb_named(model, facts->keyring, own);
    note_owner(model, facts->keyring.serial, facts->keyring.uid);
    note_owner(model, facts->serial, facts->uid);
    settled_ = facts->keyring.serial == facts->serial || is_settled(model, facts->keyring);
    const auto* event = std::get_if<list::Event>(&record);
    if (event == nullptr) return disturb(known_);
    disturb_named(model, event->from, own);
    note_owner(model, event->from.serial, event->from.uid);
    if (event->operation != Operation::kClear) return;
    disturb(known_);
    note_owner(model, facts->keyring.serial, facts->uid);
}

/// What began and ended, of whichever key: what stands, and whose life was disturbed.
void KeyLives::count_links(const KeyringModel& model, KeyId own) {
    const auto of_signer = [&](const Link& link) {
        return std::string_view(model.key(link.key).type) == kSignerType;
    };
    for (const LinkId id : model.changes().began) {
        const Link& link = model.link(id);
        if (link.key != own) disturb(link.key);
        if (model.key(link.key).is_keyring()) continue;
        ++began_;
        if (link.stands && of_signer(link)) standing_ += base::seeded_hash(std::uint64_t{id});
    }
    for (const LinkId id : model.changes().ended) {
        const Link& link = model.link(id);
        if (link.key != own) disturb(link.key);
        if (of_signer(link)) standing_ -= base::seeded_hash(std::uint64_t{id});
    }
}

/// All of the record that an appraisal may look at, and its effects; but what differs from life to
/// life.
void KeyLives::sign(const KeyringModel& model, const list::Event& event, Life& life) const {
    const list::KeyFacts& facts = event.key;
    Joined joined(life.signature);
    joined.add(static_cast<std::uint64_t>(event.operation)).add(facts.type);
    joined.add(facts.description).add(facts.uid).add(facts.gid).add(facts.perm);
    joined.add(facts.public_key).add(facts.algorithm).add(facts.ids.size());
    for (const Bytes id : facts.ids) joined.add(id);
    joined.add(event.plain ? 1 : 0).add(event.sha256 ? Bytes(*event.sha256) : Bytes());
    joined.add(event.withheld).add(event.marks).add(static_cast<std::uint64_t>(event.error));
    joined.add(event.restriction ? 1 : 0).add(event.restriction.value_or(std::string_view()));
    const auto add_ring = [&](KeyId id) {
        joined.add(id);
        if (id == kNone) return;
        const Key& ring = model.key(id);
        joined.add(ring.owner_known ? 1 : 0).add(ring.uid).add(ring.marks);
    };
    joined.add(owners_)
        .add(facts.keyring.name)
        .add(facts.keyring.uid ? *facts.keyring.uid + 1ull : 0);
    add_ring(model.find(facts.keyring.serial));
    for (const auto* links : {&model.changes().began, &model.changes().ended}) {
        joined.add(links->size());
        for (const LinkId id : *links) add_ring(model.link(id).keyring);
    }
}

std::vector<std::size_t> KeyLives::close(const Key& key, Life& life) {
    if (!life.whole || life.links != 1) return {};
    const bool has_content = key.sha256.has_value() || key.fingerprint != nullptr;
    const bool signed_none = !life.asymmetric || !has_content || life.began == life.ended;
    const auto [alike, fresh] = kept_.try_emplace(sha256(as_bytes(life.signature)));
    // Nobody signed what has no content that is known.
    const bool known = has_content ? alike->second.contains(life.standing) : !fresh;
    if (known && signed_none) return std::move(life.items);
    alike->second.insert(life.standing);
    return {};
}

std::vector<std::size_t> KeyLives::after(const KeyringModel& model, const list::Record& record,
                                         std::uint64_t entry, const std::vector<std::size_t>& items,
                                         bool alone) {
    const KeyringModel::Changes& changes = model.changes();
    const auto* event = std::get_if<list::Event>(&record);
    const bool begins = event != nullptr && known_ == kNone && changes.key == keys_ &&
                        model.keys() == keys_ + 1 && event->key.serial != 0 &&
                        event->key.type != "keyring";
    const KeyId own = begins ? changes.key : known_;
    count_links(model, own);
    if (may_mark(record)) ++epoch_;
    if (std::holds_alternative<list::BaselineBegin>(record)) in_baseline_ = true, ++epoch_;
    if (std::holds_alternative<list::BaselineEnd>(record)) in_baseline_ = false, ++epoch_;
    if (std::holds_alternative<list::Policy>(record)) {
        policy_entry_ = entry;
        for (auto& [key, life] : lives_) life.whole = false;
    }
    if (event == nullptr || own == kNone) return {};
    if (begins)
        lives_[own] = {
            .standing = stood_, .began = began_, .asymmetric = event->key.type == kSignerType};
    const auto found = lives_.find(own);
    if (found == lives_.end()) return {};
    Life& life = found->second;
    life.items.insert(life.items.end(), items.begin(), items.end());
    life.links += changes.began.size();
    const bool others =
        std::ranges::any_of(
            changes.began,
            [&](LinkId id) { return model.link(id).key != own || !(model.link(id).stands); }) ||
        std::ranges::any_of(changes.ended, [&](LinkId id) { return model.link(id).key != own; });
    const Key& key = model.key(own);
    const bool ends = !key.is_live();
    if (!alone || in_baseline_ || policy_entry_ == entry || !settled_ || others ||
        !is_of_a_life(event->operation) || model.keys() != keys_ + (begins ? 1 : 0) ||
        (begins && changes.began.size() != 1) || (!ends && changes.key != own) ||
        (ends && event->operation != Operation::kDestroy))
        life.whole = false;
    if (!changes.ended.empty()) life.ended = began_;
    if (life.whole) sign(model, *event, life);
    if (!ends) return {};
    std::vector<std::size_t> gone = close(key, life);
    lives_.erase(found);
    return gone;
}

}  // namespace keyscribe::appraise
