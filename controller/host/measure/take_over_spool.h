// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "controller/host/spool/spool.h"

namespace keyscribe::measure {

/// Gives the spool what the former process of this boot left in the file beside the list, but for
/// what the list has by now. From here on what waits outlives this process, too. Returns the list's
/// size in bytes; nothing where file or list cannot be used: then the spool is in memory alone.
std::optional<std::uint64_t> take_over_spool(spool::Spool& spool,
                                             const std::filesystem::path& directory);

}  // namespace keyscribe::measure
