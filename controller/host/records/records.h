// SPDX-License-Identifier: Apache-2.0
// Makes the entries of the list that are not plain keys; list/record.h reads them, and
// list/RECORDS.md has them in CDDL (RFC 8610).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"
#include "controller/host/events/baseline.h"
#include "controller/host/events/key_event.h"
#include "controller/host/tpm/tpm.h"
#include "controller/list/record.h"

namespace keyscribe::records {

struct Record {
    std::string name;
    std::vector<std::uint8_t> buf;
};

/// The daemon and the programs that write the list.
struct DaemonIdentity {
    std::string version;
    std::vector<std::uint8_t> controller_digest;  ///< SHA-256 of the daemon's executable
    std::vector<std::uint8_t> bpf_digest;         ///< SHA-256 of the BPF object
    std::string kernel;                           ///< uname -r
    std::string boot_id;                          ///< /proc/sys/kernel/random/boot_id
    std::map<std::string, std::string> hooks;     ///< operations to attach point
};

/// The TPM whose PCRs are extended.
using TpmState = list::TpmFacts;

struct PolicyFile {
    std::string name;  ///< without the directory
    std::string text;
};

std::vector<PolicyFile> copied(const std::vector<list::PolicyFile>& files);

/// list::policy_digest() of them.
Digest policy_digest(const std::vector<PolicyFile>& files);

/// keyscribe:start: the list begins, or (`entries_before` > 0) goes on under a new daemon
/// (keyscribe:restart), or in a new kernel (`after_kexec`: keyscribe:kexec).
Record start_record(const DaemonIdentity& identity, const TpmState& tpm,
                    std::uint64_t entries_before, bool after_kexec = false);

/// keyscribe:policy: from here on events are judged by this policy. Before it stand
/// keyscribe:policy-part records with what it has no room for (list::kMaxOwnTemplateData).
std::vector<Record> policy_records(const std::vector<PolicyFile>& files, std::uint32_t generation);

/// "process", "kernel thread", or "module loading": a task inside of init_module(2) or
/// finit_module(2), which may load keys for the module.
std::string kind_of(const events::Actor& actor);

/// What a record says of a payload.
struct Proof {
    bool whole_payload = false;           ///< the entry before this one has it
    const WipedBytes* payload = nullptr;  ///< its digest goes into the record; nullptr: none does
    bool wanted = false;                  ///< the rule asked for it: say why it is not there
};

/// keyscribe:OPERATION, of an event in one of the keyrings that it concerns. `with_actor`: says who
/// asked for it.
Record event_record(const events::KeyEvent& event, std::string_view operation,
                    const events::KeyringName& keyring, const Proof& proof, bool with_actor);

/// keyscribe:baseline-begin. `reason`: "start", "restart", "policy", "order" or
/// "loss" or "missed". `gone`: keyrings that the list has and the kernel has no more. `named`:
/// those that a rule names; to the others only a link led. Several records, each with some of the
/// keyrings, where one has no room for all.
std::vector<Record> baseline_begin_records(std::uint64_t boot_time_ns, std::string_view reason,
                                           const std::vector<events::KeyringName>& keyrings,
                                           const std::vector<std::int32_t>& gone = {},
                                           const std::set<std::int32_t>& named = {});

/// keyscribe:baseline: a key as it stands in `event.keyring`.
Record baseline_record(const events::KeyEvent& event);

/// keyscribe:baseline-end. `changed`, after a restart: keys that the list did not expect there, and
/// those that it did and that are gone.
Record baseline_end_record(std::uint64_t boot_time_ns, std::uint64_t keyrings, std::uint64_t keys,
                           const std::optional<events::Difference>& changed);

/// keyscribe:loss: events with these sequence numbers were never received.
Record loss_record(std::uint64_t first, std::uint64_t last, std::uint64_t count);

/// keyscribe:missed: the kernel skipped runs of a program, since one that was preempted in it held
/// the CPU. `operations`: of DaemonIdentity::hooks; empty: not known.
Record missed_record(std::uint64_t count, std::string_view operations);

/// keyscribe:drop: events were given up while they waited. `reason`: "deadline", "size", "version"
/// (another build left them; `count` 0: how many is not known) or "budget" (of keyrings and keys of
/// `uid`, who filled the list with them).
Record drop_record(std::string_view reason, std::uint64_t count, std::uint64_t first,
                   std::uint64_t last, std::optional<std::uint32_t> uid = {});

/// keyscribe:foreign: the PCR had a value that no prefix of the list explains. A replay goes on
/// from `found`.
Record foreign_record(unsigned pcr, const tpm::PcrValues& found);

/// keyscribe:tampered: somebody changed list or spool; `what` says what came of it. `time` in ns of
/// CLOCK_BOOTTIME.
Record tampered_record(std::uint64_t time, const std::string& what);

/// keyscribe:tpm: from here on the TPM is this; `what` says what became of it and of its PCRs.
Record tpm_record(std::uint64_t time, const TpmState& tpm, const std::string& what);

/// keyscribe:detached: somebody interfered with what captures.
Record detached_record(std::uint64_t time, const std::string& what);

/// keyscribe:canary: capture worked after somebody chose this nonce.
Record canary_record(std::uint64_t time, const std::vector<std::uint8_t>& nonce);

}  // namespace keyscribe::records
