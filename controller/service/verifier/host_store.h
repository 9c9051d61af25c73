// SPDX-License-Identifier: Apache-2.0
// What is kept of a host: its row, which each visit writes, and a snapshot with the list, which a
// visit writes only where something is new.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/service/appraise/appraise.h"
#include "controller/service/verifier/changes.h"
#include "controller/service/verifier/database.h"

namespace keyscribe::verifier {

/// A TPM's clock: of two quotes the later one has the greater.
struct TpmClock {
    std::uint32_t resets = 0, restarts = 0;
    std::uint64_t clock = 0;  ///< ms
    auto operator<=>(const TpmClock&) const = default;
};

struct HostRow {
    std::string id, name, group, ek, ak;
    std::vector<std::uint8_t> ak_key;  ///< SubjectPublicKeyInfo, DER
    std::string accepted_by;
    std::int64_t enrolled = 0, revision = 0;
    std::int64_t generation = 0;  ///< of the list's chunks; 0: nothing is kept
    std::string verdict = "none";
    std::int64_t verdict_since = 0, last_seen = 0, deadline = 0;
    std::int64_t verdict_until = kNever;  ///< when, by the clock alone, another one may be due
    bool silent = false;
    TpmClock clock;
    std::string boot_id;
    std::uint64_t entries = 0, list_bytes = 0, ima_entries = 0, ima_bytes = 0;
    std::string fingerprint;  ///< of the evidence but for its quotes: see visit.h
    std::string basis;        ///< that it was judged by
    std::int64_t judge_again = 0;
    std::string last_nonce;  ///< Base64url
    std::uint64_t refused = 0;
    std::int64_t epoch = 0;  ///< of the references, read in the same statement
};

/// What the last visit with something new left.
struct Snapshot {
    std::string state;                ///< the kept state's first line
    std::vector<std::uint8_t> shell;  ///< the evidence without its lists
    std::string nonce;                ///< that its quotes are over, Base64url
    std::int64_t taken = 0;
    std::string summary;  ///< the appraisal as JSON
    /// What an appraisal needs of the list (appraise/list_extract.h); empty: the list itself.
    std::vector<std::uint8_t> records;
    std::vector<std::uint8_t> list, ima;
};

Result<std::optional<HostRow>> find_host_by_ak(Database& database, const std::string& ak);
Result<std::optional<HostRow>> find_host(Database& database, const std::string& id);

/// kRecords: `list` is empty, whose cost would be the list's length.
enum class Load { kWhole, kRecords };
/// Nothing where the host's list is another by now.
Result<std::optional<Snapshot>> load_snapshot(Database& database, const HostRow& host,
                                              Load load = Load::kWhole);

/// Pieces of a list that a visit adds; all of it, where `generation` is a new one.
struct ListPieces {
    Bytes list, ima;
};

/// Writes `next` in the place of `former`, which it was made from: nothing is written where the row
/// is another by now. Returns whether it was written. Throws soci::soci_error.
bool replace_host(soci::session& session, const HostRow& former, const HostRow& next);
void write_snapshot(soci::session& session, const HostRow& former, const HostRow& next,
                    const Snapshot& snapshot, const ListPieces& added);
/// Puts another appraisal of the same evidence into the snapshot.
void write_summary(soci::session& session, const std::string& host, const std::string& summary);
/// Adds one to the host's count of refused evidence.
Result<void> count_refusal(Database& database, const std::string& id);

/// Deletes the host and all that is kept of it. Returns whether there was one.
Result<bool> remove_host(Database& database, const ChangeLog& changes, const std::string& id,
                         const std::string& who);

}  // namespace keyscribe::verifier
