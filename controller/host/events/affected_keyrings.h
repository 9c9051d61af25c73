// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "controller/host/events/key_event.h"
#include "controller/host/events/key_table.h"

namespace keyscribe::events {

/// A keyring that an event is reported for.
struct AffectedKeyring {
    KeyringName keyring;               ///< as it stands in the record
    std::string judged_as;             ///< the keyring's name that the policy is asked about
    bool brings_material = false;      ///< key material comes into the keyring, or changes in it
    std::uint32_t owner = UINT32_MAX;  ///< of the keyring `judged_as`; UINT32_MAX: not known
    /// `judged_as` holds the keyring, or holds one that does: it counts where no rule names the
    /// keyring itself.
    bool is_above = false;
};

/// Returns the keyrings that an event is reported for. An operation in a keyring: that keyring; a
/// move: also the one that the key left. An operation on a key: every keyring that holds it, or,
/// where none is known, one without serial and name. An operation on a keyring: also the keyring
/// itself, once more for its former owner where it gets another. Behind each keyring stand those
/// above it (KeyTable::above). `table` is as it was before the event.
std::vector<AffectedKeyring> affected_keyrings(const KeyEvent& event, const KeyTable& table);

}  // namespace keyscribe::events
