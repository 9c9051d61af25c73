// SPDX-License-Identifier: Apache-2.0
#include "controller/host/daemon/order_watch.h"

#include "controller/base/network_keys.h"

namespace keyscribe::daemon {
namespace {

/// Places whose last change is remembered, some 100 bytes each. A record that comes later than so
/// many others is not recognised as late: 20,000 operations a second fill this in 0.8 s, some ten
/// times as long as the longest preemption seen.
constexpr std::size_t kPlaces = 16384;
/// An emptied keyring casts doubt on every key that another task puts into it later, so this ends.
constexpr std::uint64_t kEmptiedMatters = 10'000'000'000;  // ns

/// An update by add_key(2) too: its record says that the key stands in the keyring, and comes late
/// where another key has taken the place meanwhile.
bool decides_who_stands(const events::KeyEvent& event) {
    return ks_changes_holders(event.operation) ||
           ((ks_operations_with(KS_PUTS) >> event.operation) & 1) != 0;
}

}  // namespace

void OrderWatch::add(const events::KeyEvent& event) {
    if (!decides_who_stands(event) || (event.flags & KS_EVENT_REMEMBER)) return;
    const bool is_keyring = event.key_type == "keyring";
    if (event.operation == KS_OP_DESTROY) {
        if (is_keyring) keyrings_.erase(event.key_serial);
        return;
    }
    // keyring_revoke() in security/keys/keyring.c empties the keyring.
    if (event.operation == KS_OP_CLEAR || (event.operation == KS_OP_REVOKE && is_keyring))
        return add_emptying(event.key_serial, event.description, event);
    if (base::differs_by_network(event.key_type)) add_newcomer(event);
    const std::size_t index =
        events::key_index(event.key_type, event.description, event.key_serial);
    add_change(event.keyring, index, event);
    add_change(event.from, index, event);
}

void OrderWatch::add_change(const events::KeyringName& name, std::size_t index,
                            const events::KeyEvent& event) {
    if (name.serial == 0) return;
    Keyring& keyring = keyrings_[name.serial];
    keyring.name = name.name;
    const std::uint32_t task = event.actor.tid;
    const auto [last, is_first] = keyring.last_task.try_emplace(index, task);
    const bool after_emptying = keyring.emptied_by != 0 && keyring.emptied_by != task &&
                                event.boot_time_ns < keyring.emptied_at + kEmptiedMatters;
    if (is_first ? after_emptying : last->second != task) doubts_.insert({name.serial, index});
    last->second = task;
    if (!is_first) return;
    oldest_first_.emplace_back(name.serial, index);
    if (oldest_first_.size() > kPlaces) forget_oldest();
}

void OrderWatch::add_newcomer(const events::KeyEvent& event) {
    if (event.keyring.serial == 0 || event.operation == KS_OP_UNLINK) return;
    Keyring& keyring = keyrings_[event.keyring.serial];
    const auto [last, is_first] =
        keyring.last_of_networks.try_emplace({event.key_type, event.description}, event.key_serial);
    if (is_first || last->second == event.key_serial) return;
    doubts_.insert(
        {event.keyring.serial, events::key_index(event.key_type, event.description, last->second)});
    last->second = event.key_serial;
}

void OrderWatch::add_emptying(std::int32_t serial, const std::string& name,
                              const events::KeyEvent& event) {
    Keyring& keyring = keyrings_[serial];
    keyring.name = name;
    for (const auto& [index, task] : keyring.last_task)
        if (task != event.actor.tid) doubts_.insert({serial, index});
    keyring.last_task.clear();
    keyring.emptied_by = event.actor.tid;
    keyring.emptied_at = event.boot_time_ns;
    if (oldest_first_.size() >= kPlaces) forget_oldest();
    oldest_first_.emplace_back(serial, 0);  // so that a keyring that stays empty is forgotten
}

void OrderWatch::forget_oldest() {
    const auto [serial, index] = oldest_first_.front();
    oldest_first_.pop_front();
    const auto keyring = keyrings_.find(serial);
    if (keyring == keyrings_.end()) return;
    keyring->second.last_task.erase(index);
    if (keyring->second.last_task.empty()) keyrings_.erase(keyring);
}

std::vector<events::KeyringName> OrderWatch::keyrings_in_doubt() const {
    std::vector<events::KeyringName> keyrings;
    for (const events::PlaceInDoubt& place : doubts_) {
        if (!keyrings.empty() && keyrings.back().serial == place.keyring) continue;
        const auto found = keyrings_.find(place.keyring);
        keyrings.push_back(
            {place.keyring, found == keyrings_.end() ? std::string() : found->second.name});
    }
    return keyrings;
}

std::vector<events::PlaceInDoubt> OrderWatch::take_doubts() {
    std::vector<events::PlaceInDoubt> doubts(doubts_.begin(), doubts_.end());
    doubts_.clear();
    return doubts;
}

}  // namespace keyscribe::daemon
