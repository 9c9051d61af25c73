// SPDX-License-Identifier: Apache-2.0
// The limits of a policy. What exceeds one is refused with a message that names it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "bpf/filter.h"

namespace keyscribe::policy {

inline constexpr std::size_t kMaxSources = 256;
inline constexpr std::size_t kMaxSourceBytes = 1 << 20;
inline constexpr std::size_t kMaxLineBytes = 4096;  ///< without the newline
inline constexpr std::size_t kMaxRules =
    KS_RULES_MAX;                                    ///< of func=KEY_CHECK, in all files together
inline constexpr std::size_t kMaxRuleKeyrings = 64;  ///< names in one keyrings=

/// Different names in all rules together, as the kernel's filter has room for.
inline constexpr std::size_t kMaxKeyrings = KS_KEYRINGS_MAX;
inline constexpr std::size_t kMaxKeyTypes = KS_TYPES_MAX;

/// A key type's name is at most this long, else the record could not hold it.
inline constexpr std::size_t kMaxKeyTypeBytes = KS_TYPE_NAME_SIZE - 1;

/// A keyring's name is at most KS_NAME_MAX bytes long. The line's limit already sees to that.
static_assert(kMaxLineBytes - sizeof("keyrings=") < KS_NAME_MAX);

/// 4294967295, (uid_t)-1, stands for "no id".
inline constexpr std::uint32_t kMaxId = UINT32_MAX - 1;
/// TPMs have PCR 0 to 23 (TCG PC Client Platform TPM Profile, 4.6).
inline constexpr std::uint32_t kMaxPcr = 23;
/// What IMA takes (INVALID_PCR in ima_policy.c), in the rules that are skipped here.
inline constexpr std::uint32_t kMaxImaPcr = 63;

/// Errors that are shown; of the others the number is.
inline constexpr std::size_t kMaxErrors = 20;

}  // namespace keyscribe::policy
