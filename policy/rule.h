// SPDX-License-Identifier: Apache-2.0
// A policy as values: what the parser makes and everything else reads.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/event.h"
#include "bpf/filter.h"
#include "policy/diagnostic.h"

namespace keyscribe::policy {

/// The names of enum ks_operation, in its order.
inline constexpr std::array<std::string_view, KS_OP_COUNT> kOperationNames{
#define KS_OPERATION_NAME(upper, camel, name, properties) name,
    KS_OPERATIONS(KS_OPERATION_NAME)
#undef KS_OPERATION_NAME
};

/// `operation` must be below KS_OP_COUNT.
constexpr std::string_view operation_name(ks_operation operation) {
    return kOperationNames[operation];
}

constexpr std::optional<ks_operation> operation_named(std::string_view name) {
    for (std::size_t i = 0; i < kOperationNames.size(); i++)
        if (kOperationNames[i] == name) return static_cast<ks_operation>(i);
    return std::nullopt;
}

/// A set of operations: a bit for each.
using Operations = std::uint32_t;
constexpr Operations operation_bit(ks_operation operation) { return 1u << operation; }

/// What a rule without op= is about: the operations that put key material into a keyring.
inline constexpr Operations kDefaultOperations = ks_operations_with(KS_MATERIAL);

/// op=all
inline constexpr Operations kAllOperations = (1u << KS_OP_COUNT) - 1;

/// The operation is one on what the keyring holds: key_type= has no say.
constexpr bool is_about_keyring(ks_operation operation) {
    return (ks_operations_with(KS_ABOUT_KEYRING) & operation_bit(operation)) != 0;
}

/// What a rule without key_type= is about: the only type that IMA's KEY_CHECK measures, and, where
/// the rule names its keyrings, keyrings that come into those, since a search goes on in them.
inline constexpr std::string_view kDefaultKeyType = "asymmetric";
inline constexpr std::string_view kNestedKeyType = "keyring";

/// Types whose payload is no secret. Those of all others are copied only if a rule names the type.
inline constexpr std::array<std::string_view, 3> kPublicKeyTypes{"asymmetric", "blacklist",
                                                                 "keyring"};

enum class Action { kMeasure, kDontMeasure };

/// What of the payload goes into the measurement list.
enum class Payload { kFull, kDigest, kNone };

/// Whether many records may share one extend of the PCR while they come faster than the TPM takes
/// them, or each has its own always.
enum class Commit { kGroup, kEach };

/// Whether the list says who asked for the operation; the event journal always does.
enum class Provenance { kJournal, kMeasured };

struct IdCondition {
    char compare = '=';  ///< '=', '<', '>', or '*': every id
    std::uint32_t value = 0;

    bool operator==(const IdCondition&) const = default;
};

/// Those that a rule without key_type= gets.
inline std::vector<std::string> default_key_types(const std::vector<std::string>& keyrings) {
    std::vector<std::string> types{std::string(kDefaultKeyType)};
    if (!keyrings.empty()) types.emplace_back(kNestedKeyType);
    return types;
}

/// Where a rule stands.
struct Origin {
    std::size_t source = 0;  ///< index into Policy::sources
    std::size_t line = 0;    ///< from 1

    bool operator==(const Origin&) const = default;
};

/// A rule of func=KEY_CHECK. Bytes of names and globs are as they stand in the file: any but NUL
/// and ASCII's control characters, not necessarily UTF-8.
struct Rule {
    Origin origin;
    Action action = Action::kMeasure;
    std::vector<std::string> keyrings;   ///< empty: every keyring
    std::vector<std::string> key_types;  ///< empty: every type (key_type=*)
    Operations operations = kDefaultOperations;
    /// Who owns the keyring; nothing: see owners().
    std::optional<IdCondition> keyring_uid;
    std::optional<IdCondition> uid;
    std::optional<IdCondition> euid;
    std::optional<IdCondition> gid;
    std::optional<IdCondition> egid;
    std::optional<std::string> description;  ///< a glob, see policy/glob.h
    std::optional<std::uint32_t> pcr;        ///< nothing: the configured one
    Payload payload = Payload::kFull;
    Commit commit = Commit::kGroup;
    Provenance provenance = Provenance::kJournal;

    bool operator==(const Rule&) const = default;
};

/// What became of one file.
struct SourceSummary {
    std::string name;
    std::size_t rules = 0;    ///< of func=KEY_CHECK
    std::size_t skipped = 0;  ///< for IMA's other functions
};

struct Policy {
    std::vector<SourceSummary> sources;
    std::vector<Rule> rules;  ///< the first that matches decides
    std::vector<Diagnostic> warnings;
};

/// The ids that satisfy the condition, both ends included; low > high: none does.
constexpr ks_id_range id_range(const std::optional<IdCondition>& condition) {
    if (!condition || condition->compare == '*') return {0, UINT32_MAX};
    const std::uint32_t value = condition->value;
    if (condition->compare == '=') return {value, value};
    if (condition->compare == '>')
        return value == UINT32_MAX ? ks_id_range{1, 0} : ks_id_range{value + 1, UINT32_MAX};
    return value == 0 ? ks_id_range{1, 0} : ks_id_range{0, value - 1};
}

/// Whether every user can make a keyring of this name: the kernel keeps those with a dot to itself
/// (security/keys/keyctl.c, process_keys.c).
constexpr bool is_common(std::string_view keyring) { return !keyring.starts_with('.'); }

/// The owners of keyrings named `keyring` that a rule is about. Without keyring_uid= root's alone,
/// where the rule names the keyring and every user can make a namesake. A keyring with a dot is the
/// kernel's, whoever it was given to (KEYCTL_CHOWN).
constexpr ks_id_range owners(const Rule& rule, std::string_view keyring) {
    if (rule.keyring_uid || rule.keyrings.empty() || !is_common(keyring))
        return id_range(rule.keyring_uid);
    return {0, 0};
}

}  // namespace keyscribe::policy
