// SPDX-License-Identifier: Apache-2.0
#include "controller/keyrings/keyring_model.h"

#include <algorithm>

#include "controller/base/network_keys.h"

namespace keyscribe::keyrings {
namespace {

std::unique_ptr<const Actor> owned(const std::optional<list::ActorView>& actor) {
    if (!actor) return nullptr;
    return std::make_unique<const Actor>(Actor{actor->pid, actor->uid, actor->euid,
                                               actor->login_uid, std::string(actor->comm),
                                               std::string(actor->exe), std::string(actor->kind)});
}

}  // namespace

// What stands, by keyring, type and description.

std::size_t KeyringModel::IndexHash::operator()(const IndexKey& key) const {
    const base::SeededHash hash;
    // Each part by itself is hashed with the seed, so plain arithmetic may join them.
    std::size_t value =
        hash(std::uint64_t{key.keyring} << 32 | static_cast<std::uint32_t>(key.serial));
    value = value * 0x9e3779b97f4a7c15u ^ hash(key.type);
    value = value * 0x9e3779b97f4a7c15u ^ hash(key.description);
    if (key.digest != nullptr) value = value * 0x9e3779b97f4a7c15u ^ hash(*key.digest);
    return value;
}

std::size_t KeyringModel::IndexHash::operator()(LinkId id) const {
    return (*this)(model->index_key(model->links_[id]));
}

bool KeyringModel::IndexEqual::operator()(const IndexKey& left, LinkId id) const {
    const IndexKey right = model->index_key(model->links_[id]);
    if ((left.digest == nullptr) != (right.digest == nullptr)) return false;
    return left.keyring == right.keyring && left.serial == right.serial &&
           left.type == right.type && left.description == right.description &&
           (left.digest == nullptr || *left.digest == *right.digest);
}

KeyringModel::IndexKey KeyringModel::index_key(const Link& link) const {
    const Key& key = keys_[link.key];
    return {link.keyring, key.type, key.description,
            key.serial == 0 && key.sha256 ? &*key.sha256 : nullptr,
            base::differs_by_network(key.type) ? key.serial : 0};
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
        // One takes 900 bytes of memory for 166 of the list: some 110,000 may be in one.
        constexpr std::size_t kCostOfKeyring = 100;
        spend(kCostOfKeyring);
        named_[key.description] = id;
        if (serial == 0) unknown_[key.description] = id;
    }
    if (serial != 0) bind(id);
    return id;
}

std::size_t KeyringModel::chain_of(std::int32_t serial) const {
    return base::seeded_hash(static_cast<std::uint32_t>(serial)) % serials_.size();
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

LinkId KeyringModel::new_link(KeyId keyring, KeyId key, const Beginning& beginning, Place place) {
    LinkId id = static_cast<LinkId>(links_.size());
    if (!free_links_.empty()) {
        id = free_links_.back();
        free_links_.pop_back();
    } else {
        links_.emplace_back();
    }
    Link& link = links_[id];
    link.key = key;
    link.keyring = keyring;
    link.since = place;
    link.from = keys_[keyring].baselined && beginning.how == list::Operation::kBaseline
                    ? baseline_place_
                    : place;
    link.sequence = beginning.sequence;
    link.time = beginning.time;
    link.how = beginning.how;
    if (beginning.actor != nullptr) link.actor = owned(*beginning.actor);
    changes_.began.push_back(id);
    return id;
}

LinkId KeyringModel::put(KeyId keyring, KeyId key, const Beginning& beginning, Place place) {
    if (const auto there = standing_.find(index_key(Link{.key = key, .keyring = keyring}));
        there != standing_.end()) {
        if (links_[*there].key == key) return *there;
        end(*there, beginning.how, place);
    }
    if (const Key& known = keys_[key]; known.serial != 0 && known.sha256) {
        const auto there = standing_.find(IndexKey{keyring, {}, {}, &*known.sha256});
        if (there != standing_.end()) end(*there, beginning.how, place);
    }
    const LinkId id = new_link(keyring, key, beginning, place);
    Link& link = links_[id];
    link.stands = true;
    link.next_held = std::exchange(keys_[keyring].first_held, id);
    if (link.next_held != kNone) links_[link.next_held].previous_held = id;
    link.next_link = std::exchange(keys_[key].first_link, id);
    if (link.next_link != kNone) links_[link.next_link].previous_link = id;
    standing_.insert(id);
    return id;
}

/// The key was there before a baseline that does not have it, or has it already.
void KeyringModel::put_former(KeyId keyring, KeyId key, const Beginning& beginning, Place place) {
    if (history_ == History::kForget || find_link(keyring, key) != kNone) return;
    Link& link = links_[new_link(keyring, key, beginning, place)];
    link.until = place;
    link.end = list::Operation::kBaseline;
}

void KeyringModel::end(LinkId id, list::Operation how, Place place) {
    Link& link = links_[id];
    changes_.ended.push_back(id);
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

/// The host's own list, which a daemon follows as long as it lives, is made by nobody else.
void KeyringModel::spend(std::size_t links) {
    if (history_ == History::kKeep) credit_ -= std::min(credit_, links);
}

std::size_t KeyringModel::count_holders(KeyId key) const {
    std::size_t count = 0;
    for_each_holder(key, [&](LinkId) { ++count; });
    return count;
}

// Questions.

bool KeyringModel::holds(const Link& link, std::int64_t now) const {
    const Key& key = keys_[link.key];
    return link.stands && (key.marks & (list::kNegative | list::kUnderConstruction)) == 0 &&
           !is_dead(key, now) && !is_dead(keys_[link.keyring], now);
}

Place KeyringModel::end_of(const Link& link) const {
    Place end = link.until;
    for (const KeyId id : {link.key, link.keyring})
        if (keys_[id].died < end) end = keys_[id].died;
    return end;
}

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
