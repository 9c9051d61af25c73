// SPDX-License-Identifier: Apache-2.0
// A kernel's name as records have it. Names (a key's description, a keyring's name) have up to
// 4,095 bytes (KEY_MAX_DESC_SIZE), and readers of IMA lists take entries of at most 4,096.
#pragma once

#include <string>
#include <string_view>

#include "controller/base/digest.h"

namespace keyscribe {

inline constexpr std::size_t kMaxRecordedName = 255;

/// Returns the name where it has at most 255 bytes; else its first 222, a NUL, which no name of the
/// kernel has, and the SHA-256 of the whole: two names stay two. What has been cut is returned as
/// it is.
inline std::string recorded_name(std::string_view name) {
    if (name.size() <= kMaxRecordedName) return std::string(name);
    const Digest digest = hash(Algorithm::kSha256, as_bytes(name));
    std::string cut(name.substr(0, kMaxRecordedName - 1 - digest.size));
    cut += '\0';
    cut += as_text(Bytes(digest));
    return cut;
}

}  // namespace keyscribe
