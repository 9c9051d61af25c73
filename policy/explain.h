// SPDX-License-Identifier: Apache-2.0
// Why a policy decides as it does.
#pragma once

#include <string>
#include <vector>

#include "policy/matcher.h"
#include "policy/rule.h"

namespace keyscribe::policy {

struct Explanation {
    const Rule* decided_by = nullptr;  ///< into the policy; nullptr: no rule matches
    std::vector<std::string> lines;    ///< without newlines, safe to print
};

/// For each rule up to the one that decides: where it stands, the rule, and which condition is not
/// met. The last line is the decision.
Explanation explain(const Policy& policy, const Subject& subject);

}  // namespace keyscribe::policy
