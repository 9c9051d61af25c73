// SPDX-License-Identifier: Apache-2.0
// What a service keeps of a host from one piece of evidence to the next. The kept state is the
// service's own: it is believed, so it must lie where nobody else can write.
//
// A file of it: one line of JSON, then the list as far as it was covered by a quote, byte for byte,
// then the kernel's list, likewise.
// So evidence that has only what is new (`keyscribe evidence --since`) is judged with all that came
// before it in this boot, and the PCR goes on from its kept value without a replay of that. One
// digest of the kept list tells a file that was damaged or cut.
#pragma once

#include <string>

#include "controller/base/error.h"
#include "controller/service/appraise/list_pass.h"

namespace keyscribe::appraise {

struct KeptState {
    std::string ak;       ///< SHA-256, in hex, of the attestation key's SubjectPublicKeyInfo
    std::string boot_id;  ///< as the list says it
    unsigned pcr = 0;
    std::uint32_t reset_count = 0, restart_count = 0;
    std::uint64_t clock = 0;      ///< ms
    std::uint64_t entries = 0;    ///< in `list`
    std::optional<Sha256> quote;  ///< of the TPMS_ATTEST that covered it
    PcrBanks values;              ///< of the PCR after them
    PcrBanks before_kexec;        ///< of the PCR before a list that began anew; empty: none did
    std::uint64_t bytes = 0;      ///< of the list
    Bytes list;                   ///< view
    /// Of a snapshot, which has it in the list's place: list_extract.h.
    std::optional<Bytes> extract;
    /// The kernel's list as far as it was covered, for evidence with only what is new of it, too.
    Bytes ima;                                   ///< view; empty: none is kept
    std::uint64_t ima_entries = 0;               ///< in `ima`
    Algorithm ima_algorithm = Algorithm::kSha1;  ///< of its template digests
};

Result<KeptState> parse_state(Bytes file);

/// The same with an extract of the list in its place, for a service that keeps the lists elsewhere:
/// one line of JSON, and the extract. `ima`: the kernel's list, as far as it is kept. Error: also
/// one of another version, in the place of which the whole list is judged.
Result<KeptState> parse_snapshot(Bytes file, Bytes ima = {});

/// The first line, newline included; the list follows it, here in two parts.
std::string state_header(const KeptState& state, Bytes kept, Bytes added);
/// The same where the list is elsewhere: without its digest.
std::string state_header(const KeptState& state);
std::string snapshot_header(const KeptState& state, Bytes extract);

}  // namespace keyscribe::appraise
