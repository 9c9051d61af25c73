// SPDX-License-Identifier: Apache-2.0
// Remembers the keyrings that events or the list name. A baseline asks for each of them by serial:
// the kernel lists keyrings of the daemon's own user namespace only, and where no rule watches a
// keyring, its end is not seen.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "controller/host/events/baseline.h"
#include "controller/host/events/key_event.h"

namespace keyscribe::daemon {

class KnownKeyrings {
  public:
    /// Names by serial.
    using Names = std::map<std::int32_t, std::string>;

    void add(const events::KeyringName& keyring) {
        if (keyring.serial > 0) names_[keyring.serial] = keyring.name;
    }
    /// Events in the order of the ring.
    void add(const events::KeyEvent& event) {
        const bool is_keyring = event.key_type == "keyring";
        if (event.operation == KS_OP_DESTROY) {
            if (is_keyring) names_.erase(event.key_serial);
            return;
        }
        add(event.keyring);
        add(event.from);
        if (is_keyring) add(events::KeyringName{event.key_serial, event.description});
    }
    /// What the kernel says now.
    void add(const events::Baseline& baseline) {
        for (const std::int32_t serial : baseline.gone) names_.erase(serial);
        for (const events::KeyringName& keyring : baseline.keyrings) add(keyring);
    }

    const Names& names() const { return names_; }

  private:
    Names names_;
};

}  // namespace keyscribe::daemon
