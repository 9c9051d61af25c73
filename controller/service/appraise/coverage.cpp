// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/coverage.h"

#include <algorithm>

#include "controller/service/appraise/finding.h"
#include "policy/parser.h"

namespace keyscribe::appraise {
namespace {

bool has_or_any(const std::vector<std::string>& list, std::string_view name) {
    return list.empty() || std::ranges::find(list, name) != list.end();
}

bool is_unconditional(const policy::Rule& rule) {
    return !rule.uid && !rule.euid && !rule.gid && !rule.egid && !rule.description;
}

bool is_about(const policy::Rule& rule, std::string_view ring, std::uint32_t owner) {
    const ks_id_range owners = policy::owners(rule, ring);
    return has_or_any(rule.keyrings, ring) && owners.low <= owner && owner <= owners.high;
}

/// Of one type; what a glob stands for only a rule about every type covers.
bool covers_type(const policy::Policy& policy, std::string_view ring, std::uint32_t owner,
                 const std::string& type) {
    const bool glob = type.find_first_of("*?") != type.npos;
    policy::Operations left = policy::kDefaultOperations;
    // The first rule that matches decides.
    for (const policy::Rule& rule : policy.rules) {
        if (!is_about(rule, ring, owner) || (rule.operations & left) == 0) continue;
        const bool measures = rule.action == policy::Action::kMeasure;
        const bool all_of_type = glob ? rule.key_types.empty() : has_or_any(rule.key_types, type);
        if (!measures && (glob || all_of_type)) return false;
        if (measures && all_of_type && is_unconditional(rule)) left &= ~rule.operations;
    }
    return left == 0;
}

}  // namespace

Result<policy::Policy> parse_measuring_policy(const list::Policy& record) {
    std::vector<policy::Source> sources;
    for (const list::PolicyFile& file : record.files)
        sources.push_back({printable(file.name), std::string(file.text)});
    auto parsed = policy::parse(sources);
    if (!parsed) return fail(policy::headline(parsed.error().errors.front(), "error"));
    return std::move(*parsed);
}

bool names_keyring(const policy::Policy& policy, std::string_view ring, std::uint32_t owner) {
    return std::ranges::any_of(policy.rules, [&](const policy::Rule& rule) {
        return rule.action == policy::Action::kMeasure && is_about(rule, ring, owner);
    });
}

bool covers_keyring(const policy::Policy& policy, std::string_view ring,
                    const AppraisalPolicy& wanted) {
    return std::ranges::all_of(wanted.keyrings.owners, [&](std::uint32_t owner) {
        return covers_keyring(policy, ring, owner, wanted);
    });
}

bool covers_keyring(const policy::Policy& policy, std::string_view ring, std::uint32_t owner,
                    const AppraisalPolicy& wanted) {
    return std::ranges::all_of(wanted.keyrings.types, [&](const std::string& type) {
        return covers_type(policy, ring, owner, type);
    });
}

}  // namespace keyscribe::appraise
