// SPDX-License-Identifier: Apache-2.0
// The measuring policies that a list says were in force: whether their digests are those of their
// files, and whether their rules measure what the service wants judged, and where.
#pragma once

#include <map>
#include <set>
#include <string_view>
#include <vector>

#include "controller/keyrings/keyring_model.h"
#include "controller/list/policy_parts.h"
#include "controller/list/record.h"
#include "controller/list/unfold.h"
#include "controller/service/appraise/finding.h"
#include "controller/service/appraise/policy.h"
#include "policy/rule.h"

namespace keyscribe::appraise {

class MeasuringPolicies {
  public:
    MeasuringPolicies(const AppraisalPolicy& policy, Findings& findings);

    /// The next record of the list.
    void record(const list::LogicalRecord& record);
    /// After the last entry: keyrings that the service names and nobody measures.
    void finish();
    /// `judged`: a keyring whose keys are judged, and the places between which one stood in it.
    /// Tells the first policy that came meanwhile and does not measure it, as the one before did.
    void keyring(std::string_view judged, keyrings::Place since, keyrings::Place until);

    /// PCRs other than the list's own that a rule of one of the policies puts entries into, and the
    /// entry of that policy.
    const std::vector<std::pair<unsigned, std::uint64_t>>& other_pcrs() const { return pcrs_; }

  private:
    void in_force(keyrings::Place place, const list::Policy& policy);
    void baseline(const list::BaselineBegin& begin);
    void read_rules(keyrings::Place place, const list::Policy& record);
    bool measures(std::string_view keyring) const;
    std::vector<keyrings::Place> leaving(std::string_view keyring) const;

    const AppraisalPolicy& policy_;
    Findings& findings_;
    std::set<std::string_view> named_;  // keyrings that the service names, without a glob
    list::PolicyParts parts_;
    std::uint64_t last_ = 0;  // entry of the last policy
    bool seen_ = false;
    std::size_t read_ = 0;  // policies whose rules were read
    struct InForce {
        keyrings::Place place;
        policy::Policy rules;
    };
    std::vector<InForce> in_force_;  // those of which the rules are known
    // Of each judged keyring, the places of the policies that do not go on to measure it.
    std::map<std::string_view, std::vector<keyrings::Place>> left_;
    std::set<std::string_view> unmeasured_;  // named keyrings that a policy leaves out
    bool rules_known_ = false;               // of the last policy
    std::set<std::string_view> told_;  // named keyrings that baselines of the last policy tell
    std::vector<std::pair<unsigned, std::uint64_t>> pcrs_;
};

}  // namespace keyscribe::appraise
