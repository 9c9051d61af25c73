// SPDX-License-Identifier: Apache-2.0
// The PCR values that a firmware's log gives (PFP, 3.3.4 and 10.4.5.3), and the one extend that an
// operating system adds behind it.
#pragma once

#include <optional>

#include "controller/service/firmware/event_log.h"

namespace keyscribe::firmware {

using PcrArray = std::array<Digest, kPcrs>;

/// Nothing where an event lacks a digest of this bank.
std::optional<PcrArray> replay(const EventLog& log, Algorithm bank);

/// systemd 261 and later extends the word "os-separator" in a measured initrd
/// (systemd-pcrosseparator.service), into these PCRs.
bool has_os_separator(unsigned pcr);
/// The PCR's value behind it.
Digest behind_os_separator(Algorithm bank, const Digest& value);

/// Whether `value` is PCR 11's, where the log gives `plain`: systemd-pcrphase extends the phases of
/// the boot behind what systemd-stub measured (systemd-pcrphase.service(8)).
bool is_behind_phases(Algorithm bank, const Digest& plain, const Digest& value);

}  // namespace keyscribe::firmware
