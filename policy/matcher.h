// SPDX-License-Identifier: Apache-2.0
// Which rule decides about an event.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "bpf/event.h"
#include "policy/rule.h"

namespace keyscribe::policy {

inline constexpr std::uint32_t kNoId = UINT32_MAX;

/// What the conditions look at. Ids are those of the initial user namespace.
struct Subject {
    ks_operation operation = KS_OP_CREATE;
    std::string_view keyring;           ///< the one concerned; "" where none is known
    std::uint32_t keyring_uid = kNoId;  ///< its owner; kNoId: not known
    std::string_view key_type;          ///< has no say in an operation on what the keyring holds
    std::string_view description;
    std::uint32_t uid = 0;
    std::uint32_t euid = 0;
    std::uint32_t gid = 0;
    std::uint32_t egid = 0;
};

/// What a rule can fail on, in the order in which it is looked at.
enum class Mismatch {
    kOperation,
    kKeyring,
    kKeyringUid,
    kKeyType,
    kUid,
    kEuid,
    kGid,
    kEgid,
    kDescription
};

/// The first condition that is not met; nothing: the rule matches. Where the keyring's owner is not
/// known, a rule that measures matches, and one that does not measure does not.
std::optional<Mismatch> mismatch(const Rule& rule, const Subject& subject);

/// The first rule that matches, into `policy`; nullptr: none does, nothing is measured.
const Rule* decide(const Policy& policy, const Subject& subject);

/// Whether a rule, of whichever action, is about a keyring of this name and owner (kNoId: not
/// known).
bool any_rule_names(const Policy& policy, std::string_view keyring, std::uint32_t owner);

/// Whether the rule asks for the payload of keys of this type: it does not say payload=none, and
/// the type is public or named in it. The kernel may have sent a secret payload for the sake of a
/// rule that then did not decide.
bool wants_payload(const Rule& rule, std::string_view key_type);

/// Whether `earlier` certainly matches everything that `later` matches, of what happens in keyrings
/// whose owner is known.
bool covers(const Rule& earlier, const Rule& later);

}  // namespace keyscribe::policy
