// SPDX-License-Identifier: Apache-2.0
// The functions that func= can name, and which actions and conditions go with each: what
// ima_validate_rule() in security/integrity/ima/ima_policy.c of Linux 7.3 says.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "policy/conditions.h"

namespace keyscribe::policy {

struct Hook {
    std::string_view name;
    unsigned actions;             ///< ActionBits
    ConditionSet conditions;      ///< that it can have
    bool modsig = false;          ///< can ask for an appended signature
    std::string_view since = {};  ///< as of ConditionWord
};

inline constexpr std::string_view kKeyCheck = "KEY_CHECK";
/// The first spelling of this language: KEY_CHECK with keyrings=.builtin_trusted_keys.
inline constexpr std::string_view kBuiltinTrustedKeys = "BUILTIN_TRUSTED_KEYS";
inline constexpr std::string_view kBuiltinTrustedKeyring = ".builtin_trusted_keys";

std::span<const Hook> hooks();
const Hook* find_hook(std::string_view name);  ///< nullptr: there is none

/// Whether the hook is one of the two whose rules are ours to follow.
bool is_key_hook(const Hook& hook);

/// What does not go together in a rule whose words are all valid; empty: it is valid.
std::vector<Finding> check_combination(const Draft& draft);

}  // namespace keyscribe::policy
