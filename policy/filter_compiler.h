// SPDX-License-Identifier: Apache-2.0
// From a policy to what the BPF programs look at (bpf/filter.h).
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bpf/filter.h"
#include "policy/rule.h"

namespace keyscribe::policy {

/// The filter, with its tables of keyrings' first words and of key types, and what goes into the
/// map of longer names: each key once, with its set of rules. The filter never drops an event that
/// decide() would have measured; it can send one that decide() then refuses, where a rule is
/// KS_RULE_UNDECIDED.
struct FilterImage {
    ks_filter filter{};
    std::vector<std::pair<ks_keyring_name, std::uint64_t>> names;
};

using TypeWords = std::array<ks_u64, KS_TYPE_NAME_SIZE / 8>;

/// The tables' keys for a name: what the programs look for when they see it.
ks_u64 keyring_word(std::string_view keyring);
ks_keyring_name keyring_name(std::string_view keyring, std::uint32_t generation);
/// A longer name than the record can hold is cut, as the programs do.
TypeWords type_words(std::string_view key_type);

/// `policy` must come from parse(), which keeps it within the limits; `generation` is not 0.
/// Error, a sentence: the names of keyrings or types are such that no hash multiplier parts them,
/// which takes names made for the purpose.
std::expected<FilterImage, std::string> compile(const Policy& policy, std::uint32_t generation);

}  // namespace keyscribe::policy
