// SPDX-License-Identifier: Apache-2.0
#include "policy/matcher.h"

#include <algorithm>
#include <string>
#include <vector>

#include "policy/glob.h"
#include "policy/text.h"

namespace keyscribe::policy {
namespace {

/// An empty list stands for everything.
bool in_list(const std::vector<std::string>& list, std::string_view name) {
    return list.empty() || std::ranges::find(list, name) != list.end();
}

bool list_covers(const std::vector<std::string>& list, const std::vector<std::string>& other) {
    if (list.empty() || other.empty()) return list.empty();
    return std::ranges::all_of(other, [&](const std::string& name) { return in_list(list, name); });
}

bool in_range(const std::optional<IdCondition>& condition, std::uint32_t id) {
    const ks_id_range range = id_range(condition);
    return id >= range.low && id <= range.high;
}

bool is_within(const ks_id_range& inner, const ks_id_range& range) {
    return inner.low > inner.high || (range.low <= inner.low && inner.high <= range.high);
}

bool range_covers(const std::optional<IdCondition>& condition,
                  const std::optional<IdCondition>& other) {
    return is_within(id_range(other), id_range(condition));
}

bool is_owner(const Rule& rule, const Subject& subject) {
    const ks_id_range range = owners(rule, subject.keyring);
    if (subject.keyring_uid == kNoId)
        return rule.action == Action::kMeasure || (range.low == 0 && range.high == UINT32_MAX);
    return subject.keyring_uid >= range.low && subject.keyring_uid <= range.high;
}

bool owners_cover(const Rule& earlier, const Rule& later) {
    const auto covered = [&](std::string_view keyring) {
        return is_within(owners(later, keyring), owners(earlier, keyring));
    };
    return later.keyrings.empty() ? covered({}) : std::ranges::all_of(later.keyrings, covered);
}

}  // namespace

std::optional<Mismatch> mismatch(const Rule& rule, const Subject& subject) {
    if (!(rule.operations & operation_bit(subject.operation))) return Mismatch::kOperation;
    if (!in_list(rule.keyrings, subject.keyring)) return Mismatch::kKeyring;
    if (!is_owner(rule, subject)) return Mismatch::kKeyringUid;
    if (!is_about_keyring(subject.operation) && !in_list(rule.key_types, subject.key_type))
        return Mismatch::kKeyType;
    if (!in_range(rule.uid, subject.uid)) return Mismatch::kUid;
    if (!in_range(rule.euid, subject.euid)) return Mismatch::kEuid;
    if (!in_range(rule.gid, subject.gid)) return Mismatch::kGid;
    if (!in_range(rule.egid, subject.egid)) return Mismatch::kEgid;
    if (rule.description && !glob_matches(*rule.description, subject.description))
        return Mismatch::kDescription;
    return std::nullopt;
}

const Rule* decide(const Policy& policy, const Subject& subject) {
    for (const Rule& rule : policy.rules)
        if (!mismatch(rule, subject)) return &rule;
    return nullptr;
}

bool any_rule_names(const Policy& policy, std::string_view keyring, std::uint32_t owner) {
    return std::ranges::any_of(policy.rules, [&](const Rule& rule) {
        const ks_id_range range = owners(rule, keyring);
        return std::ranges::find(rule.keyrings, keyring) != rule.keyrings.end() &&
               (owner == kNoId || (range.low <= owner && owner <= range.high));
    });
}

bool wants_payload(const Rule& rule, std::string_view key_type) {
    if (rule.payload == Payload::kNone) return false;
    return contains(kPublicKeyTypes, key_type) ||
           std::ranges::find(rule.key_types, key_type) != rule.key_types.end();
}

bool covers(const Rule& earlier, const Rule& later) {
    return (later.operations & ~earlier.operations) == 0 &&
           list_covers(earlier.keyrings, later.keyrings) && owners_cover(earlier, later) &&
           list_covers(earlier.key_types, later.key_types) &&
           range_covers(earlier.uid, later.uid) && range_covers(earlier.euid, later.euid) &&
           range_covers(earlier.gid, later.gid) && range_covers(earlier.egid, later.egid) &&
           (!earlier.description || earlier.description == later.description);
}

}  // namespace keyscribe::policy
