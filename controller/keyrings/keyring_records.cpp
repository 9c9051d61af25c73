// SPDX-License-Identifier: Apache-2.0
// From records to the model's changes.
#include <algorithm>

#include "controller/keyrings/keyring_model.h"
#include "controller/list/template_data.h"

namespace keyscribe::keyrings {
namespace {

std::uint64_t pair_of(std::int32_t keyring, std::int32_t key) {
    return std::uint64_t{static_cast<std::uint32_t>(keyring)} << 32 |
           static_cast<std::uint32_t>(key);
}

std::string where(const list::LogicalRecord& record) {
    return "entry " + std::to_string(record.entry) +
           (record.index != 0 ? ", record " + std::to_string(record.index) + " in it" : "");
}

const list::KeyFacts* facts_of(const list::Record& record) {
    if (const auto* event = std::get_if<list::Event>(&record)) return &event->key;
    if (const auto* baseline = std::get_if<list::Baseline>(&record)) return &baseline->key;
    return nullptr;
}

/// States in which a key is none, or no longer one.
constexpr std::uint8_t kDeadMarks =
    list::kRevoked | list::kInvalidated | list::kDead | list::kNegative;

/// The owner is told, and is not root.
bool is_of_user(const Key& keyring) { return keyring.owner_known && keyring.uid != 0; }

/// Before `uid` takes the place of another owner (KEYCTL_CHOWN). That it was root's is never
/// forgotten.
void note_owner(Key& keyring, std::uint32_t uid) {
    if (keyring.owner_known && keyring.uid != uid && (!keyring.former_uid || keyring.uid == 0))
        keyring.former_uid = keyring.uid;
}

}  // namespace

Result<void> KeyringModel::feed(const list::LogicalRecord& source) {
    const auto record = list::parse_record(source.name, source.buf);
    if (record) return apply(*record, source);
    finish();
    return fail(record.error().what, where(source));
}

void KeyringModel::finish() {
    changes_.key = kNone;
    changes_.began.clear();
    changes_.ended.clear();
    if (pending_) put_plain();
}

Result<void> KeyringModel::apply(const list::Record& record, const list::LogicalRecord& source) {
    changes_.key = kNone;
    changes_.began.clear();
    changes_.ended.clear();
    const auto followed = [&]() -> Result<void> {
        if (credit_ != 0) return {};
        return fail("there are so many keyrings, links and looks at them that nobody follows them",
                    where(source));
    };
    if (auto done = followed(); !done) return done;
    const Place place = place_ = {static_cast<std::uint32_t>(source.entry), source.index};
    if (const auto* payload = std::get_if<list::Payload>(&record)) {
        finish();
        pending_ = Pending{std::string(payload->keyring),
                           payload->digest ? *payload->digest : sha256(payload->bytes),
                           place,
                           {.offset = source.offset, .size = payload->bytes.size()}};
        return {};
    }
    const auto* event = std::get_if<list::Event>(&record);
    Extent payload;
    if (event != nullptr && event->plain) {
        auto taken = take_payload(*event);
        if (!taken) {
            finish();
            taken.error().where = where(source);
            return std::unexpected(taken.error());
        }
        payload = *taken;
    }
    finish();
    if (const auto* begin = std::get_if<list::BaselineBegin>(&record))
        begin_baseline(*begin, place);
    if (std::holds_alternative<list::BaselineEnd>(record)) end_baseline(place);
    if (const auto* start = std::get_if<list::Start>(&record); start != nullptr && start->kexec)
        end_kernel(place);
    const list::KeyFacts* facts = facts_of(record);
    if (facts == nullptr) return followed();
    now_ = facts->time;
    credit_ += kCreditOfRecord;
    Told told{.key = *facts,
              .operation = event != nullptr ? event->operation : list::Operation::kBaseline,
              .event = event,
              .place = place,
              .payload = payload};
    if (const Bytes bytes = facts->public_key; !bytes.empty()) {
        told.fingerprint = sha256(bytes);
        told.public_key = {
            .offset = source.offset + static_cast<std::size_t>(bytes.data() - source.buf.data()),
            .size = bytes.size()};
    }
    if (event != nullptr)
        apply_event(*event, told);
    else
        apply_baseline(std::get<list::Baseline>(record), told);
    // Who hears of the change looks at each place where the key stands.
    if (changes_.key != kNone) spend(count_holders(changes_.key));
    return followed();
}

/// Where the list has the payload of a record that says that the entry before it is one.
Result<Extent> KeyringModel::take_payload(const list::Event& event) {
    if (!pending_) return fail("a record without the payload before it");
    if (pending_->digest != event.sha256 ||
        pending_->name != list::ima_event_name(event.key.keyring.name))
        return fail("a record whose payload is not the entry before it");
    const Extent payload = pending_->payload;
    pending_.reset();
    return payload;
}

/// The list does not tell whose payload it is: a key without a serial.
void KeyringModel::put_plain() {
    const Pending waited = *std::exchange(pending_, std::nullopt);
    const KeyId keyring = keyring_named(waited.name);
    if (keyring == kNone || standing_.contains(IndexKey{keyring, {}, {}, &waited.digest})) return;
    const KeyId id = new_key(0, {}, {});
    keys_[id].sha256 = waited.digest;
    keys_[id].payload = waited.payload;
    put(keyring, id, {}, waited.place);
}

// Which key, and which keyring.

/// A keyring of which only the name is told. A user's namesake is not meant: its owner would be.
KeyId KeyringModel::keyring_named(std::string_view name) {
    if (name.empty()) return kNone;
    const auto found = named_.find(name);
    return found != named_.end() ? found->second : new_key(0, "keyring", name);
}

void KeyringModel::set_owner(KeyId id, std::uint32_t uid) {
    Key& keyring = keys_[id];
    note_owner(keyring, uid);
    keyring.uid = uid;
    keyring.owner_known = true;
    if (!is_of_user(keyring)) return;
    for (auto* names : {&named_, &unknown_})
        if (const auto found = names->find(keyring.description);
            found != names->end() && found->second == id)
            names->erase(found);
}

/// Where only a name was told first (a payload without a record), the serial is added later.
KeyId KeyringModel::keyring_of(const list::KeyringName& told) {
    if (told.serial == 0) return keyring_named(told.name);
    const auto owned = [&](KeyId id) {
        if (told.uid) set_owner(id, *told.uid);
        return id;
    };
    if (const KeyId known = find(told.serial); known != kNone) {
        const Key& key = keys_[known];
        const bool same_name = told.name.empty() || key.description == told.name;
        const bool same_owner = !told.uid || !key.owner_known || key.uid == *told.uid;
        const bool is_kernels = told.name.starts_with('.');
        // Another owner: this one was given to somebody (KEYCTL_CHOWN), with what it holds.
        if (key.is_keyring() && same_name && (same_owner || !is_kernels)) return owned(known);
        // The kernel's own keyrings live as long as it does, and there is one of each name: where
        // serial and name do not agree, the name says which one is meant.
        if (is_kernels)
            if (const auto named = named_.find(told.name); named != named_.end())
                return named->second;
        destroy(known, place_);
    }
    const auto found = unknown_.find(told.name);
    const bool is_of_user = told.uid && *told.uid != 0;
    if (found == unknown_.end() || is_of_user)
        return owned(new_key(told.serial, "keyring", told.name));
    const KeyId id = found->second;
    unknown_.erase(found);
    keys_[id].serial = told.serial;
    bind(id);
    return owned(id);
}

/// The keyring that a record says holds the key. A key that is no keyring does not hold itself.
KeyId KeyringModel::holder_of(const list::KeyFacts& facts) {
    const bool itself = facts.keyring.serial != 0 && facts.keyring.serial == facts.serial &&
                        facts.type != "keyring";
    return itself ? kNone : keyring_of(facts.keyring);
}

/// The key that the record is about. A serial that now means another key: the end of the former one
/// was not told.
KeyId KeyringModel::key_of(const Told& told) {
    const list::KeyFacts& facts = told.key;
    const bool is_keyring = facts.type == "keyring";
    const KeyId known = find(facts.serial);
    if (known == kNone)
        return is_keyring
                   ? keyring_of(
                         {.serial = facts.serial, .name = facts.description, .uid = facts.uid})
                   : new_key(facts.serial, facts.type, facts.description);
    const Key& key = keys_[known];
    const bool same_name =
        std::string_view(key.type) == facts.type && key.description == facts.description;
    const bool same_key =
        !key.fingerprint || !told.fingerprint || *key.fingerprint == *told.fingerprint;
    const list::Event* event = told.event;
    const bool again = event != nullptr && key.told && event->sequence != key.sequence &&
                       has(event->operation, KS_RENEWS);
    const bool same_payload =
        event == nullptr || !event->sha256 || !key.sha256 || *event->sha256 == *key.sha256;
    if (same_name && again && event->operation != list::Operation::kCreate)
        return event->sha256 && event->sha256 == key.sha256 ? known : renewed(known, told);
    if (same_name && same_key && same_payload && !again) return known;
    destroy(known, told.place);
    return is_keyring
               ? keyring_of({.serial = facts.serial, .name = facts.description, .uid = facts.uid})
               : new_key(facts.serial, facts.type, facts.description);
}

/// The key has another payload from here on: it is another key, in the same keyrings.
KeyId KeyringModel::renewed(KeyId former, const Told& told) {
    unbind(former);
    const KeyId id = new_key(told.key.serial, told.key.type, told.key.description);
    const Beginning beginning{.how = told.operation,
                              .sequence = told.event->sequence,
                              .time = told.key.time,
                              .actor = &told.event->actor};
    std::vector<KeyId> rings;
    for_each_holder(former, [&](LinkId link) { rings.push_back(links_[link].keyring); });
    std::ranges::reverse(rings);
    // Each is a link more, of some 200 bytes, which one record brings.
    constexpr std::size_t kCostOfLink = 256;
    if (rings.size() > 1) spend(kCostOfLink * (rings.size() - 1));
    for (const KeyId ring : rings) {
        end(find_link(ring, former), told.operation, told.place);
        put(ring, id, beginning, told.place);
    }
    keys_[former].marks |= list::kDestroyed;
    if (history_ == History::kForget) {
        keys_[former] = Key{};
        free_keys_.push_back(former);
    }
    return id;
}

void KeyringModel::describe(Key& key, const Told& told) {
    key.told = true;
    key.time = told.key.time;
    if (key.is_keyring()) note_owner(key, told.key.uid);
    // Of whom the list had not told: it counted as root's until now.
    if (key.is_keyring() && told.operation == list::Operation::kChown && !key.owner_known)
        key.former_uid = 0;
    key.uid = told.key.uid;
    key.gid = told.key.gid;
    key.perm = told.key.perm;
    key.expiry = told.key.expiry;
    if (told.event != nullptr) {
        const list::Event& event = *told.event;
        key.sequence = event.sequence;
        if (event.sha256) key.sha256 = event.sha256;
        if (!event.withheld.empty()) key.withheld = intern(event.withheld);
    }
    if (told.payload.size != 0) key.payload = told.payload;
    if (!told.fingerprint) return;
    key.fingerprint = std::make_unique<const Sha256>(*told.fingerprint);
    key.public_key = told.public_key;
    key.algorithm = intern(told.key.algorithm);
}

// Events.

void KeyringModel::apply_event(const list::Event& event, const Told& told) {
    const Place place = told.place;
    const list::KeyFacts& facts = event.key;
    if (event.operation == list::Operation::kDestroy) {
        const KeyId known = find(facts.serial);
        if (known != kNone && facts.time >= keys_[known].seen) destroy(known, place);
        return;
    }
    if (event.operation == list::Operation::kClear) {
        const KeyId keyring =
            keyring_of(facts.keyring.serial != 0
                           ? facts.keyring
                           : list::KeyringName{.serial = facts.serial, .name = facts.description});
        if (keyring == kNone || facts.time < keys_[keyring].looked_at) return;
        set_owner(keyring, facts.uid);
        clear(keyring, event.operation, place);
        return;
    }
    const KeyId keyring = holder_of(facts);
    const Beginning beginning{.how = event.operation,
                              .sequence = event.sequence,
                              .time = facts.time,
                              .actor = &event.actor};
    const KeyId known = find(facts.serial);
    if (known != kNone && facts.time < keys_[known].seen) {
        // Older than what a baseline says of the key, or of who has its serial since. Whatever it
        // put there may have been something else.
        const bool same = std::string_view(keys_[known].type) == facts.type &&
                          keys_[known].description == facts.description &&
                          (!keys_[known].fingerprint || !told.fingerprint ||
                           *keys_[known].fingerprint == *told.fingerprint);
        // Of keyrings that the baseline did not look at it knows nothing better.
        if (same) leave_source(event, known, place);
        if (keyring == kNone || keyring == known || !has(event.operation, KS_PUTS)) return;
        const bool same_payload =
            !event.sha256 || !keys_[known].sha256 || event.sha256 == keys_[known].sha256;
        if (same && same_payload && facts.time >= keys_[keyring].looked_at) {
            put(keyring, known, beginning, place);
            return;
        }
        if (same && find_link(keyring, known) != kNone && !keys_[known].sha256 && event.sha256) {
            keys_[known].sha256 = event.sha256;
            keys_[known].payload = told.payload;
            changes_.key = known;
            return;
        }
        if (facts.type == "keyring" ||
            (same && (!event.sha256 || event.sha256 == keys_[known].sha256)))
            return put_former(keyring, known, beginning, place);
        if (history_ == History::kForget) return;
        const KeyId former = new_key(0, facts.type, facts.description);
        describe(keys_[former], told);
        keys_[former].marks |= list::kDestroyed;
        return put_former(keyring, former, beginning, place);
    }
    const KeyId id = key_of(told);
    describe(keys_[id], told);
    if (keys_[id].is_keyring()) set_owner(id, facts.uid);
    changes_.key = id;
    leave_source(event, id, place);
    if (keyring != kNone && keyring != id && has(event.operation, KS_PUTS)) {
        if (facts.time < keys_[keyring].looked_at)
            put_former(keyring, id, beginning, place);
        else
            put(keyring, id, beginning, place);
    }
    if (has(event.operation, KS_EMPTIES) && facts.time >= keys_[id].looked_at)
        clear(id, event.operation, place);
    mark(keys_[id], event, place);
}

/// Unlink, and move, which may not say from where: then it is none of those that still hold it.
void KeyringModel::leave_source(const list::Event& event, KeyId key, Place place) {
    if (!has(event.operation, KS_TAKES)) return;
    const auto leave = [&](KeyId keyring) {
        if (keyring == kNone || event.key.time < keys_[keyring].looked_at) return;
        if (const LinkId left = find_link(keyring, key); left != kNone)
            end(left, event.operation, place);
    };
    if (event.operation == list::Operation::kUnlink) return leave(holder_of(event.key));
    if (event.from.serial == event.key.serial) return;  // a key does not hold itself
    if (event.from.serial != 0 || !event.from.name.empty()) {
        if (event.from.serial == 0 || event.from.serial != event.key.keyring.serial)
            leave(keyring_of(event.from));
        return;
    }
    std::vector<KeyId> rings;
    for_each_holder(key, [&](LinkId link) { rings.push_back(links_[link].keyring); });
    spend(rings.size());
    const KeyId to = holder_of(event.key);
    for (const KeyId ring : rings)
        if (ring != to) leave(ring);
}

void KeyringModel::mark(Key& key, const list::Event& event, Place place) {
    const std::uint8_t before = key.marks;
    key.marks |= event.marks;
    switch (event.operation) {
        case list::Operation::kRevoke:
            key.marks |= list::kRevoked;
            break;
        case list::Operation::kInvalidate:
            key.marks |= list::kInvalidated;
            break;
        case list::Operation::kReject:
            key.marks |= list::kNegative;
            key.error = event.error;
            break;
        case list::Operation::kRestrict:
            key.restriction =
                std::make_unique<const std::string>(event.restriction.value_or(std::string_view()));
            break;
        default:
            break;
    }
    if ((before & kDeadMarks) == 0 && (key.marks & kDeadMarks) != 0) key.died = place;
}

/// Another kernel runs: nothing of what stood is there, serials are given anew, and its clock
/// begins at zero.
void KeyringModel::end_kernel(Place place) {
    // Where nothing is forgotten, keys of former kernels keep their numbers.
    const KeyId first = history_ == History::kKeep
                            ? std::exchange(first_of_kernel_, static_cast<KeyId>(keys_.size()))
                            : 0;
    for (KeyId id = first; id < keys_.size(); ++id)
        if (keys_[id].serial != 0 && (keys_[id].marks & list::kDestroyed) == 0)
            destroy(id, place);
        else
            clear(id, list::Operation::kDestroy, place);
    named_.clear();
    unknown_.clear();
    for (const KeyId keyring : std::exchange(baseline_, {})) keys_[keyring].baselined = false;
    removed_.clear();
    now_ = baseline_time_ = 0;
}

// The baseline.

void KeyringModel::begin_baseline(const list::BaselineBegin& begin, Place place) {
    if (!begin.more) {
        for (const KeyId keyring : std::exchange(baseline_, {})) keys_[keyring].baselined = false;
        removed_.clear();
        now_ = baseline_time_ = begin.time;
        baseline_place_ = place;
    }
    for (const std::int32_t serial : begin.gone)
        if (const KeyId keyring = find(serial);
            keyring != kNone && keys_[keyring].is_keyring() && keys_[keyring].time <= begin.time)
            destroy(keyring, place);
    for (const list::KeyringName& each : begin.keyrings) {
        if (credit_ == 0) return;
        const KeyId keyring = keyring_of(each);
        if (keyring == kNone || keys_[keyring].baselined) continue;
        baseline_.push_back(keyring);
        keys_[keyring].baselined = true;
        keys_[keyring].looked_at = begin.time;
        const std::vector<LinkId> held = contents(keyring);
        spend(held.size());
        for (const LinkId link : held) links_[link].confirmed = false;
    }
}

void KeyringModel::apply_baseline(const list::Baseline& baseline, const Told& told) {
    const list::KeyFacts& facts = baseline.key;
    const KeyId id = key_of(told);
    Key& key = keys_[id];
    changes_.key = id;
    if (key.time <= facts.time) {
        describe(key, told);
        if (key.is_keyring()) set_owner(id, facts.uid);
        const bool died = (baseline.marks & kDeadMarks) != 0;
        if (!died)
            key.died = {};
        else if ((key.marks & kDeadMarks) == 0)
            key.died = told.place;
        key.marks = baseline.marks;
    }
    key.seen = std::max(key.seen, facts.time);
    const KeyId keyring = holder_of(facts);
    if (keyring == kNone || keyring == id) return;
    // An event that came after it was looked at knows better.
    const auto removed = removed_.find(pair_of(keys_[keyring].serial, keys_[id].serial));
    if (removed != removed_.end() && removed->second > facts.time) return;
    const auto there = standing_.find(index_key(Link{.key = id, .keyring = keyring}));
    if (there != standing_.end() && links_[*there].key != id && links_[*there].time > facts.time)
        return;
    const LinkId link =
        put(keyring, id, {.how = list::Operation::kBaseline, .time = facts.time}, told.place);
    links_[link].confirmed = true;
}

void KeyringModel::end_baseline(Place place) {
    for (const KeyId keyring : std::exchange(baseline_, {})) {
        if (!std::exchange(keys_[keyring].baselined, false)) continue;
        const std::vector<LinkId> held = contents(keyring);
        spend(held.size());
        for (const LinkId id : held) {
            const Link& link = links_[id];
            if (!link.confirmed && link.time <= baseline_time_)
                end(id, list::Operation::kBaseline, place);
        }
    }
    removed_.clear();
}

void KeyringModel::remember_removal(const Link& link, std::uint64_t time) {
    if (baseline_.empty()) return;
    removed_[pair_of(keys_[link.keyring].serial, keys_[link.key].serial)] = time;
}

}  // namespace keyscribe::keyrings
