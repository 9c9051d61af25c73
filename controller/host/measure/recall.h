// SPDX-License-Identifier: Apache-2.0
// What a daemon that goes on with a list knows from it.
#pragma once

#include <optional>

#include "controller/host/events/key_table.h"
#include "controller/base/digest.h"
#include "controller/host/records/records.h"

namespace keyscribe {

/// Tells the table which keyrings hold which keys after the last entry of `list`. Entries that make
/// no sense are passed over: whoever reads the list has to judge them.
/// Returns what the TPM was; nothing where the list does not say.
std::optional<measure::TpmState> recall(measure::Bytes list, KeyTable& table);

}  // namespace keyscribe
