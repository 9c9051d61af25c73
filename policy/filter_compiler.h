// SPDX-License-Identifier: Apache-2.0
// From a policy to what the BPF programs look at (bpf/filter.h).
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "bpf/filter.h"
#include "policy/rule.h"

namespace keyscribe::policy {

using TypeWords = std::array<ks_u64, KS_TYPE_NAME_SIZE / 8>;

using NameWords = std::array<ks_u64, KS_NAME_WORDS>;

/// The tables' keys for a name: what the programs look for when they see it. The first word alone
/// is the key of the first look.
NameWords keyring_words(std::string_view keyring);
/// A longer name than the record can hold is cut, as the programs do.
TypeWords type_words(std::string_view key_type);

/// The filter never drops an event that decide() would have measured, where the keyring is known;
/// it can send one that decide() then refuses, where a rule is KS_RULE_UNDECIDED or the operation
/// is one on the key itself.
/// `policy` must come from parse(), which keeps it within the limits; `generation` is not 0.
/// Error, a sentence: the names of keyrings or types are such that no hash multiplier parts them,
/// which takes names made for the purpose.
std::expected<std::unique_ptr<ks_filter>, std::string> compile(const Policy& policy,
                                                               std::uint32_t generation);

}  // namespace keyscribe::policy
