// SPDX-License-Identifier: Apache-2.0
// Whether a list is whole and of the quoted TPM's present boot: baselines, measuring policies, and
// what the host says of its TPM. What the keys are is judge.h's.
#pragma once

#include <optional>
#include <vector>

#include "controller/keyrings/completeness.h"
#include "controller/service/appraise/list_pass.h"
#include "controller/service/appraise/measuring_policy.h"
#include "controller/service/appraise/quote.h"

namespace keyscribe::appraise {

class Wholeness {
  public:
    Wholeness(const AppraisalPolicy& policy, Findings& findings);

    /// An entry of the list, in order, whose digests are right.
    void entry(std::uint64_t number, const list::Entry& entry, const TemplateFields& fields);
    /// A record of an extract.
    void record(const list::LogicalRecord& record);

    /// After the last entry. `all_banks`: the host quotes every bank that it extends.
    void finish(const QuoteClaims& claims, const PcrBanks& quoted, bool all_banks);

    MeasuringPolicies& policies() { return policies_; }

  private:
    /// The TPM that is extended, as the last record about it says.
    struct Tpm {
        std::uint64_t entry = 0, resets = 0;
        std::vector<Algorithm> banks;
    };
    void read_tpm(const list::LogicalRecord& record);

    Findings& findings_;
    keyrings::Completeness completeness_;
    MeasuringPolicies policies_;
    std::optional<Tpm> tpm_;
};

}  // namespace keyscribe::appraise
