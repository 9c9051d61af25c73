// SPDX-License-Identifier: Apache-2.0
// From a policy to what the BPF programs look at (bpf/filter.h).
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "bpf/filter.h"
#include "policy/rule.h"

namespace keyscribe::policy {

/// The filter and what goes into its tables: each key once, with its set of rules. The filter
/// never drops an event that decide() would have measured; it can send one that decide() then
/// refuses, where a rule is KS_RULE_UNDECIDED.
struct FilterImage {
    ks_filter filter{};
    std::vector<std::pair<ks_keyring_word, std::uint64_t>> words;
    std::vector<std::pair<ks_keyring_name, std::uint64_t>> names;
    std::vector<std::pair<ks_type_name, std::uint64_t>> types;
};

/// The tables' keys for a name, and what the programs look for when they see it.
ks_keyring_word keyring_word(std::string_view keyring, std::uint32_t generation);
ks_keyring_name keyring_name(std::string_view keyring, std::uint32_t generation);
/// A longer name than the record can hold is cut, as the programs do.
ks_type_name type_name(std::string_view key_type, std::uint32_t generation);

/// `policy` must come from parse(), which keeps it within the tables' sizes; `generation` is not 0.
FilterImage compile(const Policy& policy, std::uint32_t generation);

}  // namespace keyscribe::policy
