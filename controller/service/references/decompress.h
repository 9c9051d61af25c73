// SPDX-License-Identifier: Apache-2.0
// What the kernel's build, packages and module tools compress with, undone in memory.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::references {

/// The largest kernel that is read, unpacked. Debian's of 2026 have 58 to 66 MB, one with KASAN and
/// debug information some 400.
inline constexpr std::size_t kMostImage = std::size_t{512} << 20;

/// "gzip", "xz", "zstd", "lz4", "lzo", "bzip2" or "lzma" by the first bytes; empty: none of these.
std::string_view compression_of(Bytes content);

/// Undoes one layer of compression, to the end of `content`.
/// Error: not compressed, damaged, cut short, or more than `most` bytes come of it.
Result<std::vector<std::uint8_t>> decompress(Bytes content, std::size_t most,
                                             const std::string& where);

/// The first `size` bytes of what it was compressed from, or fewer; empty where it cannot be
/// undone.
std::vector<std::uint8_t> beginning_of(Bytes content, std::size_t size);

}  // namespace keyscribe::references
