// SPDX-License-Identifier: Apache-2.0
// What a host's measuring policy covers, by the text in its list.
#pragma once

#include <string_view>

#include "controller/base/error.h"
#include "controller/list/record.h"
#include "controller/service/appraise/policy.h"
#include "policy/rule.h"

namespace keyscribe::appraise {

/// A host that is told 64 different policies in one boot is no usual one, and each may be as long
/// as the list: the rules of further ones are not read, and that is a finding.
inline constexpr std::size_t kMaxPolicies = 64;

/// The rules of a keyscribe:policy record. Error: a text that this build does not understand.
Result<policy::Policy> parse_measuring_policy(const list::Policy& record);

/// Whether a rule measures something in the keyring of that owner: it names it, or is about every
/// keyring.
bool names_keyring(const policy::Policy& policy, std::string_view ring, std::uint32_t owner);

/// Whether every key of the types that `wanted` has (globs) and that comes into such a keyring of
/// one of its owners is measured, whoever puts it there and whatever it is called.
bool covers_keyring(const policy::Policy& policy, std::string_view ring,
                    const AppraisalPolicy& wanted);
/// The same of that owner's keyring.
bool covers_keyring(const policy::Policy& policy, std::string_view ring, std::uint32_t owner,
                    const AppraisalPolicy& wanted);

}  // namespace keyscribe::appraise
