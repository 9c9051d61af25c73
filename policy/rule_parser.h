// SPDX-License-Identifier: Apache-2.0
// From the words of one line to one rule.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "policy/conditions.h"
#include "policy/diagnostic.h"
#include "policy/lexer.h"
#include "policy/rule.h"

namespace keyscribe::policy {

struct RuleResult {
    std::optional<Rule> rule;  ///< nothing: there are errors, or the rule is not about keys
    std::vector<Finding> errors;
    std::vector<Finding> warnings;
    std::vector<Novelty> novelties;  ///< of a rule without errors
    bool ours = false;  ///< no kernel takes the rule: it uses this language's own words
    std::size_t keyrings_column = 0;   ///< where the value of keyrings= begins; 0: not given
    std::size_t key_types_column = 0;  ///< the same of key_type=
};

/// `words` is not empty. Behind `shown` errors the others are only counted: without a text, which
/// takes time (what could have been meant).
RuleResult parse_rule(std::span<const Word> words, std::size_t shown);

}  // namespace keyscribe::policy
