// SPDX-License-Identifier: Apache-2.0
// The firmware's event log, as Linux gives it in
// /sys/kernel/security/tpm0/binary_bios_measurements.
// Source: TCG PC Client Platform Firmware Profile 1.06 ("PFP"), 10.2 (the events' form), 10.4
// (their types), 10.4.5.1 (the header). All integers are little-endian. Nothing here is verified:
// what the log says is the host's word until a quote covers the PCRs that it gives (replay.h).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::firmware {

/// PFP, 10.4.1: the types that are told apart here. No digest covers an event's type.
enum : std::uint32_t {
    kNoAction = 3,  ///< EV_NO_ACTION: extends nothing
    kVariableDriverConfig = 0x80000001,
};

/// Digests in the banks that are known here, in this order.
inline constexpr std::array kBanks{Algorithm::kSha1, Algorithm::kSha256, Algorithm::kSha384,
                                   Algorithm::kSha512};
inline constexpr unsigned kPcrs = 24;

struct Event {
    std::size_t number = 0;  ///< in the log, from 0; the header is event 0
    unsigned pcr = 0;        ///< below kPcrs, but for EV_NO_ACTION, where it may be any
    std::uint32_t type = 0;
    std::array<Bytes, kBanks.size()> digests;  ///< by kBanks; empty: the event has none
    Bytes data;

    bool extends() const { return type != kNoAction; }
    Bytes digest(Algorithm bank) const;
    /// Whether its digests in these banks are those of `content`.
    bool is_digest_of(Bytes content, const std::vector<Algorithm>& banks) const;
};

/// Views into the log's bytes.
struct EventLog {
    std::vector<Algorithm> banks;  ///< that the header names, as far as they are known here
    std::vector<Event> events;     ///< without the header
    std::uint8_t locality = 0;     ///< that the TPM was started from: PCR 0 begins with it
    std::vector<const Event*> of_pcr(unsigned pcr) const;  ///< those that extend it, in order
};

/// A log without the header "Spec ID Event03" is in the form of TPM 1.2: its one bank is SHA-1.
/// Error: sizes that do not add up, a digest of an algorithm that the header does not name, bytes
/// behind the last event; `where` names the event.
Result<EventLog> parse_event_log(Bytes log);

}  // namespace keyscribe::firmware
