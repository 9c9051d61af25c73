// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "controller/host/tpm/tpm.h"
#include "controller/list/list_reader.h"

namespace keyscribe::measure {

/// Returns what a keyscribe:foreign entry says the PCR had before the entry itself was extended;
/// nothing for other entries.
std::optional<tpm::PcrValues> values_before(const list::Entry& entry);

/// Returns the PCR's values after `entry` was extended into `values`, in the same banks. A
/// keyscribe:foreign entry says itself what the PCR had before it.
tpm::PcrValues replay_entry(const tpm::PcrValues& values, const list::Entry& entry);

}  // namespace keyscribe::measure
