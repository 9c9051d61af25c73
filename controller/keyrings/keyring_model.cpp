// SPDX-License-Identifier: Apache-2.0
#include "controller/keyrings/keyring_model.h"

#include <algorithm>
#include <functional>

#include "controller/list/template_data.h"

namespace keyscribe::keyrings {
namespace {

std::uint64_t pair_of(std::int32_t keyring, std::int32_t key) {
    return std::uint64_t{static_cast<std::uint32_t>(keyring)} << 32 |
           static_cast<std::uint32_t>(key);
}

std::unique_ptr<const Actor> owned(const std::optional<list::ActorView>& actor) {
    if (!actor) return nullptr;
    return std::make_unique<const Actor>(Actor{actor->pid, actor->uid, actor->euid,
                                               actor->login_uid, std::string(actor->comm),
                                               std::string(actor->exe), std::string(actor->kind)});
}

Extent extent(std::size_t offset, std::size_t size) { return {.offset = offset, .size = size}; }

}  // namespace

// What stands, by keyring, type and description.

std::size_t KeyringModel::IndexHash::operator()(const IndexKey& key) const {
    const std::hash<std::string_view> hash;
    std::size_t value = key.keyring * 0x9e3779b97f4a7c15u;
    value = (value ^ hash(key.type)) * 0x9e3779b97f4a7c15u;
    value = (value ^ hash(key.description)) * 0x9e3779b97f4a7c15u;
    if (key.digest != nullptr)
        value ^= hash({reinterpret_cast<const char*>(key.digest->data()), key.digest->size()});
    return value;
}

std::size_t KeyringModel::IndexHash::operator()(LinkId id) const {
    return (*this)(model->index_key(model->links_[id]));
}

bool KeyringModel::IndexEqual::operator()(const IndexKey& left, LinkId id) const {
    const IndexKey right = model->index_key(model->links_[id]);
    if ((left.digest == nullptr) != (right.digest == nullptr)) return false;
    return left.keyring == right.keyring && left.type == right.type &&
           left.description == right.description &&
           (left.digest == nullptr || *left.digest == *right.digest);
}

KeyringModel::IndexKey KeyringModel::index_key(const Link& link) const {
    const Key& key = keys_[link.key];
    return {link.keyring, key.type, key.description,
            key.serial == 0 && key.sha256 ? &*key.sha256 : nullptr};
}

// Keys.

Interned KeyringModel::intern(std::string_view text) {
    return {text.empty() ? nullptr : &*texts_.emplace(text).first};
}

KeyId KeyringModel::new_key(std::int32_t serial, std::string_view type,
                            std::string_view description) {
    KeyId id = static_cast<KeyId>(keys_.size());
    if (!free_keys_.empty()) {
        id = free_keys_.back();
        free_keys_.pop_back();
    } else {
        keys_.emplace_back();
    }
    Key& key = keys_[id];
    key.serial = serial;
    key.type = intern(type);
    key.description = description;
    key.used = true;
    if (key.is_keyring()) {
        named_[key.description] = id;
        if (serial == 0) unknown_[key.description] = id;
    }
    if (serial != 0) bind(id);
    return id;
}

std::size_t KeyringModel::chain_of(std::int32_t serial) const {
    return (static_cast<std::uint32_t>(serial) * 0x9e3779b97f4a7c15u >> 32) % serials_.size();
}

void KeyringModel::bind(KeyId id) {
    if (++bound_ > serials_.size()) {
        std::vector<KeyId> former(std::max<std::size_t>(64, 2 * serials_.size()), kNone);
        std::swap(former, serials_);
        for (KeyId each : former)
            while (each != kNone) {
                KeyId& chain = serials_[chain_of(keys_[each].serial)];
                each = std::exchange(keys_[each].next_serial, std::exchange(chain, each));
            }
    }
    keys_[id].next_serial = std::exchange(serials_[chain_of(keys_[id].serial)], id);
}

void KeyringModel::unbind(KeyId id) {
    if (keys_[id].serial == 0) return;
    KeyId* at = &serials_[chain_of(keys_[id].serial)];
    while (*at != id) at = &keys_[*at].next_serial;
    *at = std::exchange(keys_[id].next_serial, kNone);
    --bound_;
}

KeyId KeyringModel::find(std::int32_t serial) const {
    if (serial == 0 || serials_.empty()) return kNone;
    KeyId id = serials_[chain_of(serial)];
    while (id != kNone && keys_[id].serial != serial) id = keys_[id].next_serial;
    return id;
}

/// Where only a name was told first (a payload without a record), the serial is added later; where
/// several keyrings have the name, the latest is meant.
KeyId KeyringModel::keyring_of(std::int32_t serial, std::string_view name) {
    if (serial == 0 && name.empty()) return kNone;
    if (const KeyId known = find(serial); known != kNone) {
        const Key& key = keys_[known];
        if (key.is_keyring() && (name.empty() || key.description == name)) return known;
        destroy(known, {});
    }
    const std::string text(name);
    if (serial == 0) {
        const auto found = named_.find(text);
        return found != named_.end() ? found->second : new_key(0, "keyring", name);
    }
    const auto found = unknown_.find(text);
    if (found == unknown_.end()) return new_key(serial, "keyring", name);
    const KeyId id = found->second;
    unknown_.erase(found);
    keys_[id].serial = serial;
    bind(id);
    return id;
}

/// A serial that now means another key: the end of the former one was not told.
KeyId KeyringModel::key_of(const list::KeyFacts& facts, Place place) {
    if (facts.type == "keyring" && find(facts.serial) == kNone)
        return keyring_of(facts.serial, facts.description);
    const KeyId known = find(facts.serial);
    if (known != kNone) {
        const Key& key = keys_[known];
        if (std::string_view(key.type) == facts.type && key.description == facts.description)
            return known;
        destroy(known, place);
    }
    return new_key(facts.serial, facts.type, facts.description);
}

void KeyringModel::describe(Key& key, const Told& told) {
    key.time = told.key.time;
    key.uid = told.key.uid;
    key.gid = told.key.gid;
    key.perm = told.key.perm;
    key.expiry = told.key.expiry;
    if (told.event != nullptr) {
        const list::Event& event = *told.event;
        // One operation is told once for each keyring: what it brought is not forgotten again.
        if (has(event.operation, KS_RENEWS) && event.sequence != key.sequence) {
            key.sha256.reset();
            key.payload = {};
            key.public_key = {};
            key.fingerprint.reset();
            key.withheld = {};
            key.error = 0;
            key.marks &= static_cast<std::uint8_t>(~(list::kNegative | list::kUnderConstruction));
        }
        key.sequence = event.sequence;
        if (event.sha256 && event.sha256 != key.sha256) {
            key.sha256 = event.sha256;
            key.payload = {};
        }
        if (!event.withheld.empty()) key.withheld = intern(event.withheld);
    }
    if (told.payload.size != 0) key.payload = told.payload;
    if (told.key.public_key.empty()) return;
    key.fingerprint = std::make_unique<const Sha256>(sha256(told.key.public_key));
    key.public_key = told.public_key;
    key.algorithm = intern(told.key.algorithm);
}

bool KeyringModel::is_expired(const Key& key, std::int64_t now) {
    return key.expiry != 0 && key.expiry <= now;
}

bool KeyringModel::is_dead(const Key& key, std::int64_t now) {
    return (key.marks & (list::kRevoked | list::kInvalidated | list::kDead | list::kDestroyed)) !=
               0 ||
           is_expired(key, now);
}

// Links.

LinkId KeyringModel::find_link(KeyId keyring, KeyId key) const {
    if (keyring == kNone || key == kNone) return kNone;
    const auto found = standing_.find(index_key(Link{.key = key, .keyring = keyring}));
    return found == standing_.end() || links_[*found].key != key ? kNone : *found;
}

LinkId KeyringModel::put(KeyId keyring, KeyId key, const Beginning& beginning, Place place) {
    Link wanted{.key = key, .keyring = keyring};
    if (const auto there = standing_.find(index_key(wanted)); there != standing_.end()) {
        if (links_[*there].key == key) return *there;
        end(*there, beginning.how, place);
    }
    if (const Key& known = keys_[key]; known.serial != 0 && known.sha256) {
        const auto there = standing_.find(IndexKey{keyring, {}, {}, &*known.sha256});
        if (there != standing_.end()) end(*there, beginning.how, place);
    }
    LinkId id = static_cast<LinkId>(links_.size());
    if (!free_links_.empty()) {
        id = free_links_.back();
        free_links_.pop_back();
    } else {
        links_.emplace_back();
    }
    Link& link = links_[id] = std::move(wanted);
    link.since = place;
    link.sequence = beginning.sequence;
    link.time = beginning.time;
    link.how = beginning.how;
    if (beginning.actor != nullptr) link.actor = owned(*beginning.actor);
    link.stands = true;
    link.next_held = std::exchange(keys_[keyring].first_held, id);
    if (link.next_held != kNone) links_[link.next_held].previous_held = id;
    link.next_link = std::exchange(keys_[key].first_link, id);
    if (link.next_link != kNone) links_[link.next_link].previous_link = id;
    standing_.insert(id);
    return id;
}

void KeyringModel::end(LinkId id, list::Operation how, Place place) {
    Link& link = links_[id];
    standing_.erase(id);
    remember_removal(link, now_);
    (link.previous_held == kNone ? keys_[link.keyring].first_held
                                 : links_[link.previous_held].next_held) = link.next_held;
    if (link.next_held != kNone) links_[link.next_held].previous_held = link.previous_held;
    (link.previous_link == kNone ? keys_[link.key].first_link
                                 : links_[link.previous_link].next_link) = link.next_link;
    if (link.next_link != kNone) links_[link.next_link].previous_link = link.previous_link;
    link.stands = false;
    link.until = place;
    link.end = how;
    link.next_held = link.previous_held = link.next_link = link.previous_link = kNone;
    // What was there without a serial has no life outside of the keyring.
    const KeyId key = link.key;
    if (keys_[key].serial == 0 && !keys_[key].is_keyring()) keys_[key].marks |= list::kDestroyed;
    if (history_ == History::kKeep) return;
    link = Link{};
    free_links_.push_back(id);
    if (!keys_[key].is_live()) {
        keys_[key] = Key{};
        free_keys_.push_back(key);
    }
}

void KeyringModel::clear(KeyId keyring, list::Operation how, Place place) {
    while (keys_[keyring].first_held != kNone) end(keys_[keyring].first_held, how, place);
}

void KeyringModel::destroy(KeyId id, Place place) {
    clear(id, list::Operation::kDestroy, place);
    while (keys_[id].first_link != kNone)
        end(keys_[id].first_link, list::Operation::kDestroy, place);
    Key& key = keys_[id];
    unbind(id);
    key.marks |= list::kDestroyed;
    key.baselined = false;
    for (auto* names : {&named_, &unknown_})
        if (const auto found = names->find(key.description);
            found != names->end() && found->second == id)
            names->erase(found);
    if (history_ == History::kKeep) return;
    key = Key{};
    free_keys_.push_back(id);
}

// Records.

namespace {

std::string where(const list::LogicalRecord& record) {
    return "entry " + std::to_string(record.entry) +
           (record.index != 0 ? ", record " + std::to_string(record.index) + " in it" : "");
}

const list::KeyFacts* facts_of(const list::Record& record) {
    if (const auto* event = std::get_if<list::Event>(&record)) return &event->key;
    if (const auto* baseline = std::get_if<list::Baseline>(&record)) return &baseline->key;
    return nullptr;
}

}  // namespace

Result<void> KeyringModel::feed(const list::LogicalRecord& source) {
    const auto record = list::parse_record(source.name, source.buf);
    if (record) return apply(*record, source);
    finish();
    return fail(record.error().what, where(source));
}

void KeyringModel::finish() {
    if (pending_) put_plain();
}

Result<void> KeyringModel::apply(const list::Record& record, const list::LogicalRecord& source) {
    const Place place{static_cast<std::uint32_t>(source.entry), source.index};
    if (const auto* payload = std::get_if<list::Payload>(&record)) {
        finish();
        pending_ = Pending{std::string(payload->keyring),
                           payload->digest ? *payload->digest : sha256(payload->bytes), place,
                           extent(source.offset, payload->bytes.size())};
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
    if (const auto* begin = std::get_if<list::BaselineBegin>(&record)) begin_baseline(*begin);
    if (std::holds_alternative<list::BaselineEnd>(record)) end_baseline(place);
    const list::KeyFacts* facts = facts_of(record);
    if (facts == nullptr) return {};
    now_ = facts->time;
    Extent public_key;
    if (const Bytes bytes = facts->public_key; !bytes.empty())
        public_key =
            extent(source.offset + static_cast<std::size_t>(bytes.data() - source.buf.data()),
                   bytes.size());
    const Told told{.key = *facts,
                    .operation = event != nullptr ? event->operation : list::Operation::kBaseline,
                    .event = event,
                    .place = place,
                    .payload = payload,
                    .public_key = public_key};
    if (event != nullptr)
        apply_event(*event, told);
    else
        apply_baseline(std::get<list::Baseline>(record), told);
    return {};
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
    const KeyId keyring = keyring_of(0, waited.name);
    if (keyring == kNone) return;
    if (standing_.contains(IndexKey{keyring, {}, {}, &waited.digest})) return;
    const KeyId id = new_key(0, {}, {});
    keys_[id].sha256 = waited.digest;
    keys_[id].payload = waited.payload;
    put(keyring, id, {}, waited.place);
}

void KeyringModel::apply_event(const list::Event& event, const Told& told) {
    const Place place = told.place;
    const list::KeyringName& in = event.key.keyring;
    const KeyId known = find(event.key.serial);
    if (event.operation == list::Operation::kDestroy) {
        if (known != kNone) destroy(known, place);
        return;
    }
    if (event.operation == list::Operation::kClear) {
        const KeyId keyring = in.serial != 0 ? keyring_of(in.serial, in.name)
                                             : keyring_of(event.key.serial, event.key.description);
        if (keyring != kNone) clear(keyring, event.operation, place);
        return;
    }
    const KeyId id = key_of(event.key, place);
    describe(keys_[id], told);
    const KeyId keyring = keyring_of(in.serial, in.name);
    if (event.operation == list::Operation::kMove && event.from.serial != in.serial)
        if (const LinkId left = find_link(keyring_of(event.from.serial, event.from.name), id);
            left != kNone)
            end(left, event.operation, place);
    if (keyring != kNone && keyring != id && has(event.operation, KS_PUTS))
        put(keyring, id,
            {.how = event.operation,
             .sequence = event.sequence,
             .time = event.key.time,
             .actor = &event.actor},
            place);
    if (has(event.operation, KS_EMPTIES)) clear(id, event.operation, place);
    Key& key = keys_[id];
    switch (event.operation) {
        case list::Operation::kUnlink:
            if (const LinkId left = find_link(keyring, id); left != kNone)
                end(left, event.operation, place);
            break;
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
}

// The baseline.

void KeyringModel::begin_baseline(const list::BaselineBegin& begin) {
    for (const KeyId keyring : std::exchange(baseline_, {})) keys_[keyring].baselined = false;
    removed_.clear();
    now_ = baseline_time_ = begin.time;
    for (const list::KeyringName& each : begin.keyrings) {
        const KeyId keyring = keyring_of(each.serial, each.name);
        if (keyring == kNone) continue;
        baseline_.push_back(keyring);
        keys_[keyring].baselined = true;
        for (const LinkId link : contents(keyring)) links_[link].confirmed = false;
    }
}

void KeyringModel::apply_baseline(const list::Baseline& baseline, const Told& told) {
    const list::KeyFacts& facts = baseline.key;
    const KeyId id = key_of(facts, told.place);
    if (keys_[id].time <= facts.time) {
        describe(keys_[id], told);
        keys_[id].marks = baseline.marks;
    }
    const KeyId keyring = keyring_of(facts.keyring.serial, facts.keyring.name);
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
        for (const LinkId id : contents(keyring)) {
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

// Questions.

std::vector<KeyId> KeyringModel::keyrings() const {
    std::vector<KeyId> found;
    for (KeyId id = 0; id < keys_.size(); ++id)
        if (keys_[id].used && keys_[id].is_keyring() && keys_[id].is_live()) found.push_back(id);
    return found;
}

std::vector<KeyId> KeyringModel::keyrings_named(std::string_view name) const {
    std::vector<KeyId> found = keyrings();
    std::erase_if(found, [&](KeyId id) { return keys_[id].description != name; });
    return found;
}

std::vector<LinkId> KeyringModel::contents(KeyId keyring) const {
    std::vector<LinkId> found;
    for (LinkId id = keys_[keyring].first_held; id != kNone; id = links_[id].next_held)
        found.push_back(id);
    std::ranges::reverse(found);
    return found;
}

std::vector<LinkId> KeyringModel::holders(KeyId key) const {
    std::vector<LinkId> found;
    for (LinkId id = keys_[key].first_link; id != kNone; id = links_[id].next_link)
        found.push_back(id);
    std::ranges::reverse(found);
    return found;
}

std::vector<LinkId> KeyringModel::ever_held(KeyId keyring) const {
    std::vector<LinkId> found;
    for (LinkId id = 0; id < links_.size(); ++id)
        if (links_[id].keyring == keyring) found.push_back(id);
    return found;
}

}  // namespace keyscribe::keyrings
