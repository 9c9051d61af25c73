// SPDX-License-Identifier: Apache-2.0
// Which keyrings an operation concerns.
#pragma once

#include <string>
#include <vector>

#include "controller/host/events/key_event.h"
#include "controller/host/events/key_table.h"

namespace keyscribe::events {

struct Concern {
    KeyringName keyring;           ///< as it stands in the record
    std::string judged_as;         ///< the keyring's name that the policy is asked about
    bool brings_material = false;  ///< key material comes into the keyring, or changes in it
};

/// Of an operation in a keyring: that one, and of a move the one that the key left. Of an operation
/// on the key itself: each that holds it, and one that holds none where nobody is known to. What
/// happens to a keyring concerns the keyring, too. `table` is as it was before the event.
std::vector<Concern> concerns_of(const KeyEvent& event, const KeyTable& table);

}  // namespace keyscribe::events
