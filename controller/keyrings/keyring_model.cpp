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

/// These bring key material, so what was known of it is no longer true.
bool brings_material(list::Operation operation) {
    return operation == list::Operation::kCreate || operation == list::Operation::kUpdate ||
           operation == list::Operation::kInstantiate;
}

bool puts(list::Operation operation) {
    return brings_material(operation) || operation == list::Operation::kReject ||
           operation == list::Operation::kLink || operation == list::Operation::kMove;
}

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
KeyId KeyringModel::key_of(const list::Change& change, Place place) {
    if (change.type == "keyring" && find(change.key) == kNone)
        return keyring_of(change.key, change.description);
    const KeyId known = find(change.key);
    if (known != kNone) {
        const Key& key = keys_[known];
        if (std::string_view(key.type) == change.type && key.description == change.description)
            return known;
        destroy(known, place);
    }
    return new_key(change.key, change.type, change.description);
}

void KeyringModel::describe(Key& key, const list::Change& change, Extent payload,
                            Extent public_key) {
    key.time = change.time;
    key.uid = change.uid;
    key.gid = change.gid;
    key.perm = change.perm;
    key.expiry = change.expiry;
    // One operation is told once for each keyring: what it brought is not forgotten again.
    if (brings_material(change.operation) &&
        (change.sequence == 0 || change.sequence != key.sequence)) {
        key.sha256.reset();
        key.payload = {};
        key.public_key = {};
        key.fingerprint.reset();
        key.withheld = {};
        key.error = 0;
        key.marks &= static_cast<std::uint8_t>(~list::kNegative);
    }
    if (change.sequence != 0) key.sequence = change.sequence;
    if (change.sha256 && change.sha256 != key.sha256) {
        key.sha256 = change.sha256;
        key.payload = {};
    }
    if (payload.size != 0) key.payload = payload;
    if (!change.withheld.empty()) key.withheld = intern(change.withheld);
    if (change.public_key.empty()) return;
    key.fingerprint = std::make_unique<const Sha256>(sha256(change.public_key));
    key.public_key = public_key;
    key.algorithm = intern(change.algorithm);
}

bool KeyringModel::is_expired(const Key& key, std::int64_t now) {
    return (key.marks & list::kExpired) != 0 || (key.expiry != 0 && key.expiry <= now);
}

bool KeyringModel::is_dead(const Key& key, std::int64_t now) {
    return (key.marks & (list::kRevoked | list::kInvalidated | list::kDestroyed)) != 0 ||
           is_expired(key, now);
}

// Links.

LinkId KeyringModel::find_link(KeyId keyring, KeyId key) const {
    if (keyring == kNone || key == kNone) return kNone;
    const auto found = standing_.find(index_key(Link{.key = key, .keyring = keyring}));
    return found == standing_.end() || links_[*found].key != key ? kNone : *found;
}

LinkId KeyringModel::put(KeyId keyring, KeyId key, const list::Change& change, Place place) {
    Link wanted{.key = key, .keyring = keyring};
    if (const auto there = standing_.find(index_key(wanted)); there != standing_.end()) {
        if (links_[*there].key == key) return *there;
        end(*there, change.operation, place);
    }
    if (const Key& known = keys_[key]; known.serial != 0 && known.sha256) {
        const auto there = standing_.find(IndexKey{keyring, {}, {}, &*known.sha256});
        if (there != standing_.end()) end(*there, change.operation, place);
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
    link.sequence = change.sequence;
    link.time = change.time;
    link.how = change.operation;
    link.actor = owned(change.actor);
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

Result<void> KeyringModel::feed(const list::LogicalRecord& record) {
    const auto where = [&] {
        return "entry " + std::to_string(record.entry) +
               (record.index != 0 ? ", record " + std::to_string(record.index) + " in it" : "");
    };
    auto change = list::parse_change(record.name, record.buf);
    if (!change) {
        finish();
        return fail(change.error().what, where());
    }
    const Place place{static_cast<std::uint32_t>(record.entry), record.index};
    if (!*change) {
        finish();
        return {};
    }
    Extent payload, public_key;
    if ((*change)->operation == list::Operation::kPlain)
        payload = extent(record.offset, record.buf.size());
    if (const Bytes bytes = (*change)->public_key; !bytes.empty())
        public_key =
            extent(record.offset + static_cast<std::size_t>(bytes.data() - record.buf.data()),
                   bytes.size());
    auto done = apply(**change, place, payload, public_key);
    if (!done) done.error().where = where();
    return done;
}

void KeyringModel::finish() {
    if (pending_) put_plain();
}

Result<void> KeyringModel::apply(const list::Change& change, Place place, Extent payload,
                                 Extent public_key) {
    now_ = change.time;
    if (change.operation == list::Operation::kPlain) {
        finish();
        pending_ = Pending{std::string(change.keyring_name), change.sha256.value_or(Sha256{}),
                           place, payload};
        return {};
    }
    if (change.plain && pending_) {
        if (pending_->digest != change.sha256 ||
            pending_->name != list::ima_event_name(change.keyring_name)) {
            finish();
            return fail("a record whose payload is not the entry before it");
        }
        payload = pending_->payload;
        pending_.reset();
    } else if (change.plain && place != Place{}) {
        return fail("a record without the payload before it");
    }
    finish();
    switch (change.operation) {
        case list::Operation::kBaselineBegin:
            begin_baseline(change);
            break;
        case list::Operation::kBaseline:
            apply_baseline(change, place, public_key);
            break;
        case list::Operation::kBaselineEnd:
            end_baseline(change, place);
            break;
        default:
            apply_event(change, place, payload, public_key);
    }
    return {};
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
    put(keyring, id, list::Change{}, waited.place);
}

void KeyringModel::apply_event(const list::Change& change, Place place, Extent payload,
                               Extent public_key) {
    const KeyId known = find(change.key);
    if (change.operation == list::Operation::kDestroy) {
        if (known != kNone) destroy(known, place);
        return;
    }
    if (change.operation == list::Operation::kClear) {
        const KeyId keyring = change.keyring != 0 ? keyring_of(change.keyring, change.keyring_name)
                                                  : keyring_of(change.key, change.description);
        if (keyring != kNone) clear(keyring, change.operation, place);
        return;
    }
    const KeyId id = key_of(change, place);
    describe(keys_[id], change, payload, public_key);
    const KeyId keyring = keyring_of(change.keyring, change.keyring_name);
    if (change.operation == list::Operation::kMove && change.from != change.keyring)
        if (const LinkId left = find_link(keyring_of(change.from, change.from_name), id);
            left != kNone)
            end(left, change.operation, place);
    if (keyring != kNone && keyring != id && puts(change.operation))
        put(keyring, id, change, place);
    Key& key = keys_[id];
    switch (change.operation) {
        case list::Operation::kUnlink:
            if (const LinkId left = find_link(keyring, id); left != kNone)
                end(left, change.operation, place);
            break;
        case list::Operation::kRevoke:
            key.marks |= list::kRevoked;
            clear(id, change.operation, place);
            break;
        case list::Operation::kInvalidate:
            key.marks |= list::kInvalidated;
            break;
        case list::Operation::kReject:
            key.marks |= list::kNegative;
            key.error = change.error;
            break;
        case list::Operation::kTimeout:
            key.marks &= static_cast<std::uint8_t>(~list::kExpired);
            break;
        case list::Operation::kRestrict:
            key.restriction = std::make_unique<const std::string>(
                change.restriction.value_or(std::string_view()));
            break;
        default:
            break;
    }
}

// The baseline.

void KeyringModel::begin_baseline(const list::Change& change) {
    for (const KeyId keyring : std::exchange(baseline_, {})) keys_[keyring].baselined = false;
    removed_.clear();
    baseline_time_ = change.time;
    for (const list::KeyringName& each : change.keyrings) {
        const KeyId keyring = keyring_of(each.serial, each.name);
        if (keyring == kNone) continue;
        baseline_.push_back(keyring);
        keys_[keyring].baselined = true;
        for (const LinkId link : contents(keyring)) links_[link].confirmed = false;
    }
}

void KeyringModel::apply_baseline(const list::Change& change, Place place, Extent public_key) {
    const KeyId id = key_of(change, place);
    if (keys_[id].time <= change.time) {
        describe(keys_[id], change, {}, public_key);
        keys_[id].marks = change.marks;
    }
    const KeyId keyring = keyring_of(change.keyring, change.keyring_name);
    if (keyring == kNone || keyring == id) return;
    // An event that came after it was looked at knows better.
    const auto removed = removed_.find(pair_of(keys_[keyring].serial, keys_[id].serial));
    if (removed != removed_.end() && removed->second > change.time) return;
    const auto there = standing_.find(index_key(Link{.key = id, .keyring = keyring}));
    if (there != standing_.end() && links_[*there].key != id && links_[*there].time > change.time)
        return;
    links_[put(keyring, id, change, place)].confirmed = true;
}

void KeyringModel::end_baseline(const list::Change& change, Place place) {
    for (const KeyId keyring : std::exchange(baseline_, {})) {
        if (!std::exchange(keys_[keyring].baselined, false)) continue;
        for (const LinkId id : contents(keyring)) {
            const Link& link = links_[id];
            if (!link.confirmed && link.time <= baseline_time_) end(id, change.operation, place);
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
