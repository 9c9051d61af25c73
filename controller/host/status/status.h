// SPDX-License-Identifier: Apache-2.0
// What the daemon says of itself. Written by the capturing and the measuring thread, read by the
// control API.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "controller/host/events/kernel_counters.h"
#include "controller/host/spool/spool.h"

namespace keyscribe::status {

/// Where one kind of operation is observed.
struct Hook {
    std::string operations;    ///< "create, update (add_key)"
    std::string attach_point;  ///< "lsm:key_post_create_or_update"
    std::string why;           ///< why there: a sentence
};

struct PolicyStatus {
    bool loaded = false;
    std::uint32_t generation = 0;
    std::string digest;  ///< SHA-256, hex
    std::size_t rules = 0;
    std::size_t skipped = 0;  ///< rules for IMA's other functions
    std::vector<std::string> files;
    std::string error;  ///< why the newest attempt to load was refused; empty: it was not
};

/// What a reload of the policy directory put in force.
struct Reloaded {
    std::uint32_t generation = 0;
    std::string digest;
    std::size_t rules = 0;
    std::size_t skipped = 0;
    std::vector<std::string> warnings;
};

struct TpmStatus {
    bool ready = false;
    std::string error;  ///< why it is not
    /// Since when measuring waits for what it asked last; nothing: it does not.
    std::optional<std::chrono::steady_clock::time_point> asked_since;
    unsigned pcr = 0;
    std::map<std::string, std::string> values;  ///< bank ("sha256") to the PCR's value in hex
};

struct MeasureCounters {
    std::uint64_t captured = 0;        ///< events received from the kernel
    std::uint64_t matched = 0;         ///< of these, a measure rule decided
    std::uint64_t unmatched = 0;       ///< of these, no rule or dont_measure decided
    std::uint64_t measured = 0;        ///< of the matched, in the list and extended
    std::uint64_t lost = 0;            ///< sequence numbers that never arrived
    std::uint64_t missed = 0;          ///< runs that the kernel skipped, as reported to the list
    std::uint64_t list_entries = 0;    ///< all kinds, boot_aggregate included
    std::uint64_t extends = 0;         ///< TPM2_PCR_Extend commands
    std::uint64_t journal_failed = 0;  ///< lines that the event journal could not take
};

struct Status {
    std::string version;
    std::string kernel;
    std::string boot_id;
    std::string since;  ///< when the programs were attached, RFC 3339
    std::vector<Hook> hooks;
    PolicyStatus policy;
    TpmStatus tpm;
    std::string list_error;             ///< why the list cannot be written; empty: it can
    std::string journal_error;          ///< the same of the event journal
    std::vector<std::string> degraded;  ///< what makes the list less than a proof; a sentence each
    MeasureCounters counters;
    events::KernelCounters kernel_counters;
    spool::SpoolTotals spool;
    /// The kernel is still to be asked what some keyrings hold (CaptureLoop::refresh_baseline).
    bool refresh_pending = false;
    /// The recorder owes no extend and no record of its own; `tpm.values` are the PCR's.
    bool recorder_settled = false;
    /// Nothing waits and nothing is under way: list, PCR and counters agree. Of a snapshot alone.
    bool idle = false;
};

/// Why the TPM is not ready: it failed, or it has not answered for a while. Empty: it is.
std::string tpm_error(const Status& status);

/// What measuring waits for: "policy", "tpm", "list". Empty: ready.
std::vector<std::string> waiting_for(const Status& status);

/// "waiting", "ready" or "degraded" (ready, but something is in `degraded`).
std::string state_name(const Status& status);

/// One line for people and for systemd's STATUS=.
std::string summary(const Status& status);

nlohmann::json to_json(const Status& status);

/// Prometheus text exposition format 0.0.4.
std::string to_prometheus(const Status& status);

/// The one instance, behind its lock.
class SharedStatus {
  public:
    template <class Change>
    void update(Change&& change) {
        const std::lock_guard lock(mutex_);
        change(status_);
    }
    Status copy() const {
        const std::lock_guard lock(mutex_);
        return status_;
    }

  private:
    mutable std::mutex mutex_;
    Status status_;
};

}  // namespace keyscribe::status
