// SPDX-License-Identifier: Apache-2.0
// What a list that the quote covers says: the keys against the reference values, and what the
// records tell of losses, restarts and the like. Sees the entries in order, and only those.
#pragma once

#include <set>
#include <string>

#include "controller/list/cbor_reader.h"
#include "controller/service/appraise/key_ledger.h"
#include "controller/service/appraise/list_pass.h"
#include "controller/service/appraise/policy.h"

namespace keyscribe::appraise {

namespace cbor = list::cbor;

class Findings;

/// What the list says of its host; views into it.
struct HostClaims {
    std::string_view version, kernel, boot_id;
    bool started = false;
    std::uint64_t restarts = 0;
    std::string_view aggregate_algorithm;  ///< of boot_aggregate
    Bytes aggregate;
    std::string policy;  ///< hex of the last policy's digest
};

class Judge {
  public:
    Judge(const AppraisalPolicy& policy, const ReferenceValues& references,
          const BlockedKeys& blocked, std::int64_t now, Findings& findings)
        : policy_(policy),
          references_(references),
          blocked_(blocked),
          now_(now),
          findings_(findings),
          ledger_(references) {}

    /// An entry of Keyscribe's list whose digests are right.
    void entry(std::uint64_t number, const list::Entry& entry, const TemplateFields& fields);
    /// After the last: missing keys, chains of trust.
    void finish();

    const KeyLedger& ledger() const { return ledger_; }
    const HostClaims& claims() const { return claims_; }

  private:
    /// A plain entry that waits for the record behind it, which may say whose it is.
    struct Pending {
        std::string_view ring;
        Sha256 digest;
        MaterialId material = 0;
        bool fresh = false;
        std::uint64_t entry = 0;
    };

    void unfolded(std::uint64_t number, std::string_view name, Bytes buf, const Sha256& digest);
    void batch(std::uint64_t number, const list::Entry& entry);
    void plain(std::uint64_t number, std::string_view name, Bytes buf, const Sha256& digest);
    void flush();
    void record(std::uint64_t number, std::string_view kind, Bytes buf);
    bool start(std::uint64_t number, const cbor::Map& fields, bool again);
    bool policy_in_force(std::uint64_t number, const cbor::Map& fields);
    bool gap(std::uint64_t number, std::string_view kind, const cbor::Map& fields);
    bool event(std::uint64_t number, std::string_view operation, const cbor::Map& fields);
    bool baseline_begin(std::uint64_t number, const cbor::Map& fields);
    bool baseline(std::uint64_t number, const cbor::Map& fields);
    bool baseline_end(std::uint64_t number, const cbor::Map& fields);
    std::optional<MaterialId> material_of(const cbor::Map& fields);
    void put(std::uint64_t number, std::string_view ring, std::optional<MaterialId> material,
             const cbor::Map& fields);
    bool is_watched(std::string_view ring) const;
    bool is_judged(std::string_view ring, std::string_view type) const;
    /// A key in a keyring, and how sentences name it: few keys need one.
    struct Subject {
        const Material& material;
        std::string_view ring, description;
        std::string text() const;
    };
    void judge(std::uint64_t number, const Subject& key);
    void judge_reference(std::uint64_t number, const Subject& key);
    void judge_dates(std::uint64_t number, const Subject& key);
    void missing();

    const AppraisalPolicy& policy_;
    const ReferenceValues& references_;
    const BlockedKeys& blocked_;
    std::int64_t now_;
    Findings& findings_;
    KeyLedger ledger_;
    HostClaims claims_;
    std::optional<Pending> pending_;
    bool policy_seen_ = false;
    std::uint64_t last_entry_ = 0;
    std::uint64_t baseline_since_ = 0;  // the entry of the baseline that is being told; 0: none
    std::set<RingId> baseline_rings_;
    std::set<std::string, std::less<>> watched_by_host_;  // keyrings that the host's policy watches
    struct Linked {
        std::string_view ring, name;
        std::uint64_t entry;
    };
    std::vector<Linked> linked_;
};

}  // namespace keyscribe::appraise
