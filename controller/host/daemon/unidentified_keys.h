// SPDX-License-Identifier: Apache-2.0
// Remembers keyrings that hold keys which the list cannot identify: their record has neither the
// payload nor the public key, since the ring had no room or the kernel's memory could not be read.
// The daemon asks for these keyrings again until each key is identified or gone.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/host/events/baseline.h"
#include "controller/host/events/key_event.h"

namespace keyscribe::daemon {

/// Returns whether the kernel has the key's public key and the event has neither that nor the
/// payload that a rule asked for.
inline bool lacks_identity(const events::KeyEvent& event) {
    if (event.key_type != "asymmetric" || event.public_key || !event.payload.empty()) return false;
    if (event.operation != KS_OP_BASELINE)
        return (event.flags & (KS_EVENT_NO_ROOM | KS_EVENT_FAULT)) != 0;
    constexpr std::uint32_t kIsNone = KS_KEY_DEAD | KS_KEY_NEGATIVE | KS_KEY_UNINSTANTIATED;
    return (event.flags & KS_EVENT_SECRET) == 0 && (event.key_state & kIsNone) == 0;
}

class UnidentifiedKeys {
  public:
    using Clock = std::chrono::steady_clock;

    void add(const events::KeyEvent& event, Clock::time_point now) {
        if (event.keyring.serial == 0 || !lacks_identity(event)) return;
        Keyring& keyring = keyrings_[event.keyring.serial];
        keyring.name = event.keyring.name;
        keyring.keys.insert(event.key_serial);
        next_ = now;
        wait_ = kFirstWait;
        asked_ = false;
    }

    /// Replaces what is known of the baseline's keyrings. The next attempt comes after a wait that
    /// doubles each time, from 1 s to 60 s.
    void add(const events::Baseline& baseline, Clock::time_point now) {
        for (const events::KeyringName& keyring : baseline.keyrings)
            keyrings_.erase(keyring.serial);
        for (const events::KeyEvent& key : baseline.keys) {
            if (key.keyring.serial == 0 || !lacks_identity(key)) continue;
            Keyring& keyring = keyrings_[key.keyring.serial];
            keyring.name = key.keyring.name;
            keyring.keys.insert(key.key_serial);
        }
        asked_ = true;
        next_ = now + wait_;
        wait_ = keyrings_.empty() ? kFirstWait : std::min(2 * wait_, kLongestWait);
    }

    /// Takes a baseline of keyrings(). Returns the part of it about keyrings in which fewer keys
    /// are unidentified than before, and forgets keyrings that it does not have: they are gone.
    events::Baseline news(events::Baseline baseline, Clock::time_point now) {
        const auto before = std::exchange(keyrings_, {});
        add(baseline, now);
        const auto is_news = [&](std::int32_t serial) {
            const auto was = before.find(serial);
            const auto is = keyrings_.find(serial);
            return was != before.end() &&
                   std::ranges::any_of(was->second.keys, [&](std::int32_t key) {
                       return is == keyrings_.end() || !is->second.keys.contains(key);
                   });
        };
        std::erase_if(baseline.keyrings,
                      [&](const events::KeyringName& ring) { return !is_news(ring.serial); });
        std::erase_if(baseline.keys, [&](const events::KeyEvent& key) {
            return !is_news(key.keyring.serial != 0 ? key.keyring.serial : key.key_serial);
        });
        return baseline;
    }

    std::vector<events::KeyringName> keyrings() const {
        std::vector<events::KeyringName> names;
        for (const auto& [serial, keyring] : keyrings_) names.push_back({serial, keyring.name});
        return names;
    }
    /// Returns when to ask next; nothing where every key is identified.
    std::optional<Clock::time_point> due() const {
        return keyrings_.empty() ? std::nullopt : std::optional(next_);
    }
    /// Returns whether some keyring was not asked for again yet.
    bool are_new() const { return !keyrings_.empty() && !asked_; }

  private:
    static constexpr std::chrono::seconds kFirstWait{1}, kLongestWait{60};
    struct Keyring {
        std::string name;
        std::set<std::int32_t> keys;  ///< unidentified
    };
    std::map<std::int32_t, Keyring> keyrings_;
    Clock::time_point next_;
    std::chrono::seconds wait_ = kFirstWait;
    bool asked_ = false;
};

}  // namespace keyscribe::daemon
