// SPDX-License-Identifier: Apache-2.0
#include "controller/host/events/key_table.h"

#include <linux/keyctl.h>

#include <algorithm>
#include <map>
#include <set>

#include "controller/base/network_keys.h"
#include "controller/base/recorded_name.h"

namespace keyscribe::events {
namespace {

constexpr std::string_view kKeyringType = "keyring";

/// KEYRING_SEARCH_MAX_DEPTH of security/keys/keyring.c.
constexpr int kSearchDepth = 6;

bool contains_bytes(const WipedBytes& payload, const std::vector<std::uint8_t>& part) {
    return std::search(payload.begin(), payload.end(), part.begin(), part.end()) != payload.end();
}

/// What bpf/event.h says of the event's operation.
bool has(const KeyEvent& event, ks_property property) {
    return ((ks_operations_with(property) >> event.operation) & 1) != 0;
}

bool puts(const KeyEvent& event) {
    return event.operation == KS_OP_BASELINE || has(event, KS_PUTS);
}

}  // namespace

std::size_t key_index(std::string_view type, std::string_view description, std::int32_t serial) {
    std::string both(type);
    both += '\0';
    both += recorded_name(description);  // as the list has it, from which the table is restored
    if (base::differs_by_network(type)) both += '\0' + std::to_string(serial);
    return std::hash<std::string>()(both);
}

void KeyTable::complete(KeyEvent& event) const {
    if (!(event.flags & KS_EVENT_SERIAL_ONLY)) return;
    const auto found = keys_.find(event.key_serial);
    if (found == keys_.end()) {
        event.key_uid = event.key_gid = UINT32_MAX;  // nobody knows: not root
        return;
    }
    const Key& key = found->second;
    event.key_type = key.type;
    event.description = key.description;
    event.key_expiry = key.expiry;
    if (event.operation == KS_OP_CHOWN) {
        event.key_perm = key.perm;
        event.key_uid = event.key_gid = UINT32_MAX;  // the caller's user namespace knows
    } else {
        event.key_uid = key.uid;
        event.key_gid = key.gid;
    }
}

std::vector<KeyringName> KeyTable::holders(std::int32_t key) const {
    std::vector<KeyringName> holders;
    const auto found = keys_.find(key);
    if (found == keys_.end()) return holders;
    for (const std::int32_t serial : found->second.keyrings)
        if (const std::string* name = keyring_name(serial)) holders.push_back({serial, *name});
    return holders;
}

std::vector<KeyringName> KeyTable::above(std::int32_t keyring) const {
    std::vector<KeyringName> found;
    std::set<std::int32_t> seen{keyring};
    std::vector<std::int32_t> level{keyring};
    for (int depth = 1; depth <= kSearchDepth && !level.empty(); ++depth) {
        std::vector<std::int32_t> next;
        for (const std::int32_t serial : level)
            for (KeyringName& holder : holders(serial))
                if (seen.insert(holder.serial).second) {
                    next.push_back(holder.serial);
                    found.push_back(std::move(holder));
                }
        level = std::move(next);
    }
    return found;
}

const std::string* KeyTable::keyring_name(std::int32_t serial) const {
    const auto found = keyrings_.find(serial);
    return found == keyrings_.end() ? nullptr : &found->second.name;
}

std::uint32_t KeyTable::owner(std::int32_t keyring) const {
    const auto found = keyrings_.find(keyring);
    return found == keyrings_.end() ? UINT32_MAX : found->second.uid;
}

const WipedBytes* KeyTable::material(const KeyEvent& event) const {
    const auto found = material_.find(event.key_serial);
    if (found == material_.end() || !event.public_key) return nullptr;
    // The serial may be another key's by now: what was kept must have the bytes that the kernel
    // has.
    const Material& material = found->second;
    return material.description == event.description &&
                   contains_bytes(material.payload, event.public_key->bytes)
               ? &material.payload
               : nullptr;
}

void KeyTable::keep_material(const KeyEvent& event) {
    if (event.key_type != "asymmetric" || event.payload.empty() ||
        event.payload.size() > max_material_)
        return;
    while (material_bytes_ + event.payload.size() > max_material_ && !material_order_.empty()) {
        if (const auto oldest = material_.find(material_order_.front());
            oldest != material_.end()) {
            material_bytes_ -= oldest->second.payload.size();
            material_.erase(oldest);
        }
        material_order_.pop_front();
    }
    Material& material = material_[event.key_serial];
    if (material.payload.empty()) material_order_.push_back(event.key_serial);
    material_bytes_ += event.payload.size() - material.payload.size();
    material = {event.description, event.payload};
}

void KeyTable::update_facts(const KeyEvent& event) {
    const auto found = keys_.find(event.key_serial);
    if (found == keys_.end()) return;
    found->second.uid = event.key_uid;
    found->second.gid = event.key_gid;
    found->second.perm = event.key_perm;
    found->second.expiry = event.key_expiry;
    if (const auto keyring = keyrings_.find(event.key_serial); keyring != keyrings_.end())
        keyring->second.uid = event.key_uid;
}

void KeyTable::put(const KeyEvent& event, const KeyringName& keyring) {
    Key& key = keys_[event.key_serial];
    key.type = event.key_type;
    key.description = event.description;
    update_facts(event);
    if (event.key_type == kKeyringType) {
        keyrings_[event.key_serial].name = event.description;
        keyrings_[event.key_serial].uid = event.key_uid;
    }
    if (keyring.serial == 0) return;

    Keyring& place = keyrings_[keyring.serial];
    place.name = keyring.name;
    if (event.keyring_uid != UINT32_MAX && event.keyring.serial == keyring.serial)
        place.uid = event.keyring_uid;
    const std::size_t index = key_index(event.key_type, event.description, event.key_serial);
    if (const auto former = place.members.find(index);
        former != place.members.end() && former->second != event.key_serial)
        remove(former->second, keyring.serial);
    keyrings_[keyring.serial].members[index] = event.key_serial;
    auto& keyrings = keys_[event.key_serial].keyrings;
    if (std::ranges::find(keyrings, keyring.serial) == keyrings.end())
        keyrings.push_back(keyring.serial);
}

void KeyTable::remove(std::int32_t serial, std::int32_t keyring) {
    const auto found = keys_.find(serial);
    if (found == keys_.end()) return;
    Key& key = found->second;
    if (const auto place = keyrings_.find(keyring); place != keyrings_.end()) {
        const auto member =
            place->second.members.find(key_index(key.type, key.description, serial));
        if (member != place->second.members.end() && member->second == serial)
            place->second.members.erase(member);
    }
    std::erase(key.keyrings, keyring);
    // A keyring is watched for its own name's sake, in whichever keyring it stands.
    if (key.keyrings.empty() && key.type != kKeyringType) keys_.erase(found);
}

void KeyTable::empty(std::int32_t keyring) {
    const auto found = keyrings_.find(keyring);
    if (found == keyrings_.end()) return;
    const auto members = std::move(found->second.members);
    found->second.members.clear();
    for (const auto& [index, key] : members) remove(key, keyring);
}

void KeyTable::destroy(std::int32_t serial) {
    empty(serial);
    keyrings_.erase(serial);
    if (const auto found = keys_.find(serial); found != keys_.end()) {
        const auto keyrings = found->second.keyrings;
        for (const std::int32_t keyring : keyrings) remove(serial, keyring);
        keys_.erase(serial);
    }
    // What is left in material_order_ does no harm.
    if (const auto found = material_.find(serial); found != material_.end()) {
        material_bytes_ -= found->second.payload.size();
        material_.erase(found);
    }
}

void KeyTable::take(const KeyEvent& event) {
    if (event.operation == KS_OP_DESTROY) return destroy(event.key_serial);
    if (event.operation == KS_OP_CREATE || event.operation == KS_OP_INSTANTIATE)
        keep_material(event);
    // A new key counts where no keyring is told: a keyring is watched for its own name's sake.
    const bool has_place = event.keyring.serial != 0 || has(event, KS_HOLDERS);
    if (puts(event) && has_place && (event.flags & KS_EVENT_REMEMBER) == 0)
        put(event, event.keyring);
    else
        update_facts(event);
    if (has(event, KS_TAKES))
        remove(event.key_serial, has(event, KS_PUTS) ? event.from.serial : event.keyring.serial);
    if (has(event, KS_EMPTIES)) empty(event.key_serial);
}

Difference KeyTable::difference(const Baseline& baseline) const {
    std::map<std::int32_t, std::set<std::int32_t>> now;
    for (const KeyringName& keyring : baseline.keyrings) now[keyring.serial];
    for (const KeyEvent& key : baseline.keys)
        if (key.keyring.serial != 0) now[key.keyring.serial].insert(key.key_serial);
    for (const std::int32_t serial : baseline.gone) now[serial];
    Difference change;
    for (const auto& [serial, members] : now) {
        std::set<std::int32_t> before;
        if (const auto keyring = keyrings_.find(serial); keyring != keyrings_.end())
            for (const auto& [index, key] : keyring->second.members) before.insert(key);
        for (const std::int32_t key : members) change.appeared += !before.contains(key);
        for (const std::int32_t key : before) change.vanished += !members.contains(key);
    }
    return change;
}

std::int32_t KeyTable::key_at(std::int32_t keyring, std::size_t index) const {
    const auto found = keyrings_.find(keyring);
    if (found == keyrings_.end()) return 0;
    const auto member = found->second.members.find(index);
    return member == found->second.members.end() ? 0 : member->second;
}

void KeyTable::take(const Baseline& baseline) {
    for (const std::int32_t serial : baseline.gone) destroy(serial);
    for (const KeyringName& keyring : baseline.keyrings) empty(keyring.serial);
    for (const KeyEvent& key : baseline.keys) take(key);
}

}  // namespace keyscribe::events
