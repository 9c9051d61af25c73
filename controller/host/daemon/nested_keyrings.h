// SPDX-License-Identifier: Apache-2.0
// Remembers keyrings that no rule names and that stand in a watched keyring, or in one of these: a
// search in the watched one goes on in them. From the moment at which one comes there the programs
// send what happens in it; what it held before, the daemon asks for.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "controller/host/daemon/baseline_taker.h"
#include "controller/host/events/baseline.h"
#include "controller/host/events/key_event.h"
#include "policy/rule.h"

namespace keyscribe::daemon {

class NestedKeyrings {
  public:
    /// Events in the order of the ring.
    void add(const events::KeyEvent& event, const policy::Policy& policy) {
        if (event.key_type != "keyring") return;
        if (event.operation == KS_OP_DESTROY) return forget(event.key_serial);
        if (((ks_operations_with(KS_PUTS) >> event.operation) & 1) == 0) return;
        if (is_watched(policy, event.description) || !holds_nested(event.keyring, policy)) return;
        nested_.insert(event.key_serial);
        unasked_[event.key_serial] = event.description;
        if (event.operation != KS_OP_CREATE) some_held_before_ = true;
    }

    /// What the kernel says now.
    void add(const events::Baseline& baseline, const policy::Policy& policy) {
        for (const std::int32_t serial : baseline.gone) forget(serial);
        for (const events::KeyringName& keyring : baseline.keyrings) {
            unasked_.erase(keyring.serial);
            if (!is_watched(policy, keyring.name)) nested_.insert(keyring.serial);
        }
    }

    bool contains(std::int32_t serial) const { return nested_.contains(serial); }
    bool are_unasked() const { return !unasked_.empty(); }
    /// Those that came and were not asked for yet.
    std::vector<events::KeyringName> unasked() const {
        std::vector<events::KeyringName> keyrings;
        for (const auto& [serial, name] : unasked_) keyrings.push_back({serial, name});
        return keyrings;
    }
    /// Returns whether one of them was there before it came: what the list says it held can be old.
    bool some_held_before() const { return some_held_before_; }
    /// All of them were asked for; some may have been gone.
    void note_asked() {
        unasked_.clear();
        some_held_before_ = false;
    }

  private:
    bool holds_nested(const events::KeyringName& keyring, const policy::Policy& policy) const {
        return keyring.serial != 0 &&
               (is_watched(policy, keyring.name) || nested_.contains(keyring.serial));
    }
    void forget(std::int32_t serial) {
        nested_.erase(serial);
        unasked_.erase(serial);
    }

    std::set<std::int32_t> nested_;
    std::map<std::int32_t, std::string> unasked_;
    bool some_held_before_ = false;
};

}  // namespace keyscribe::daemon
