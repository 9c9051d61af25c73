// SPDX-License-Identifier: Apache-2.0
// The policy language: IMA's (Documentation/ABI/testing/ima_policy of Linux 6.12) for
// func=KEY_CHECK, with conditions of our own. README.md beside this file has the grammar.
#pragma once

#include <expected>
#include <span>
#include <string>

#include "policy/diagnostic.h"
#include "policy/rule.h"

namespace keyscribe::policy {

struct Source {
    std::string name;  ///< as it shall stand in messages
    std::string text;
};

/// All sources as one policy, in their order. Any error in any of them refuses the whole.
/// policy/limits.h has the limits. No source is a policy without rules.
std::expected<Policy, Diagnostics> parse(std::span<const Source> sources);

}  // namespace keyscribe::policy
