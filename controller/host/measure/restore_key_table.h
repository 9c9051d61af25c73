// SPDX-License-Identifier: Apache-2.0
// What a daemon that goes on with a list knows from it.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "controller/base/digest.h"
#include "controller/host/events/baseline.h"
#include "controller/host/events/key_table.h"
#include "controller/host/records/records.h"

namespace keyscribe::measure {

/// Tells the table which keyrings hold which keys after the last entry of `list`. Entries that make
/// no sense are passed over: whoever reads the list has to judge them.
void restore_key_table(Bytes list, events::KeyTable& table);

/// Returns the keyrings that the list has and of which it does not say that they are gone.
std::vector<events::KeyringName> told_keyrings(Bytes list);
/// The same of the list in `directory`; nothing where it cannot be read.
std::vector<events::KeyringName> told_keyrings_in(const std::filesystem::path& directory);

/// Returns the TPM's state that the list says last; nothing where it says none.
std::optional<records::TpmState> recorded_tpm_state(Bytes list);

/// The boot_id of the list's last start, restart or kexec record; empty: it has none.
std::string recorded_boot_id(Bytes list);

}  // namespace keyscribe::measure
