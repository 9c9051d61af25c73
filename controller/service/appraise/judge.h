// SPDX-License-Identifier: Apache-2.0
// What a list that the quote covers says: who is speaking, what was lost, and, through the
// KeyringModel and the KeyJudge, the keys. Sees the entries in order, and only those.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/keyrings/keyring_model.h"
#include "controller/list/policy_parts.h"
#include "controller/list/template_format.h"
#include "controller/service/appraise/key_judge.h"

namespace keyscribe::appraise {

class Findings;

/// What the list says of its host; views into it.
struct HostClaims {
    std::string_view version, kernel, boot_id;
    bool started = false;
    /// The PCR began with what nothing explains: after a kexec, with the former kernel's list.
    bool begins_elsewhere = false;
    bool start_explained = false;  ///< it did not begin with zeros, and what is known explains that
    std::uint64_t restarts = 0;
    std::uint64_t kexecs = 0;
    std::vector<std::string_view> former_boot_ids;  ///< before the last kexec
    std::string_view aggregate_algorithm;           ///< of boot_aggregate
    Bytes aggregate;
    std::string policy;  ///< hex of the last policy's digest
};

class Judge {
  public:
    Judge(const AppraisalPolicy& policy, const ReferenceValues& references,
          const BlockedKeys& blocked, std::int64_t now, SignatureCache* signatures,
          Findings& findings)
        : policy_(policy),
          findings_(findings),
          model_(std::make_shared<keyrings::KeyringModel>()),
          keys_(policy, references, blocked, now, signatures, findings) {}

    /// The list in two parts: what was kept of it, if anything, and what is new.
    void set_list(Bytes kept, Bytes added) { keys_.set_list(kept, added); }
    /// An entry of Keyscribe's list whose digests are right. `base`: where its part of the list
    /// begins in the whole.
    void entry(std::uint64_t number, const list::Entry& entry, const list::TemplateFields& fields,
               std::size_t base);
    /// A record of an extract, which lies in the first part of the list.
    void record(const list::LogicalRecord& source) {
        number_ = source.entry;
        record(source, std::nullopt);
    }
    /// The evidence's, which a canary's record has: capture worked after the service chose it.
    void expect_canary(Bytes nonce) { nonce_ = nonce; }
    /// Before entry `number`, which tells of a foreign extend: the firmware's log explains it.
    void explain_foreign(std::uint64_t number) { explained_foreign_ = number; }
    /// After the last: missing keys, sources of keys, chains of trust.
    void finish(const FirmwareKeys& firmware);

    const KeyJudge& keys() const { return keys_; }
    std::vector<KeyVerdict> take_verdicts() { return keys_.take_verdicts(); }
    std::shared_ptr<const keyrings::KeyringModel> model() const { return model_; }
    const HostClaims& claims() const { return claims_; }

  private:
    /// A payload that is not remembered, since the list has too many.
    struct Dropped {
        std::string_view keyring;
        Sha256 digest;
        std::uint64_t entry;
    };

    void record(const list::LogicalRecord& source, const std::optional<Sha256>& digest);
    void drop(const list::Payload& payload);
    void take_dropped(list::Record& record);
    void tell(const Code& code, std::string sentence);
    // What a record says besides what the model takes from it.
    void say(const list::Start& start);
    void say(const list::Policy& policy);
    void say(const list::BaselineBegin& begin);
    void say(const list::BaselineEnd& end);
    void say(const list::Loss& loss);
    void say(const list::Missed& missed);
    void say(const list::Drop& drop);
    void say(const list::Foreign& foreign);
    void say(const list::Tampered& tampered);
    void say(const list::TpmChange& change);
    void say(const list::Detached& detached);
    void say(const list::Canary& canary);
    void say(const list::Unknown& unknown);
    void say(const list::Payload&) {}
    void say(const list::PolicyPart&) {}
    void say(const list::Event&) {}
    void say(const list::Baseline&) {}

    void tell_over_budget();

    const AppraisalPolicy& policy_;
    Findings& findings_;
    std::shared_ptr<keyrings::KeyringModel> model_;
    KeyJudge keys_;
    list::PolicyParts parts_;
    HostClaims claims_;
    Bytes nonce_;
    bool canary_seen_ = false;
    bool policy_seen_ = false;
    bool baseline_begun_ = false;
    bool empty_ = true;
    std::uint64_t number_ = 0;  // of the entry that is judged
    std::optional<std::uint64_t> explained_foreign_;
    struct OverBudget {
        std::uint64_t count = 0, entry = 0;
    };
    std::map<std::uint32_t, OverBudget> over_budget_;  // by user
    std::optional<Dropped> dropped_;
};

}  // namespace keyscribe::appraise
