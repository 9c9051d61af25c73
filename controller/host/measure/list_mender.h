// SPDX-License-Identifier: Apache-2.0
// The list exists twice, in its binary and its text form, and each entry carries a digest: what a
// death in the middle of a write tore, or somebody changed, is repaired from the other form.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/error.h"
#include "controller/host/measure/list_writer.h"

namespace keyscribe::measure {

struct Mended {
    std::uint64_t size = 0;             ///< of the binary list, whole entries
    std::uint64_t torn = 0;             ///< bytes behind the last whole entry that were cut off
    std::vector<std::string> findings;  ///< what no death explains; a sentence each
};

/// Makes both forms whole and equal. A write from `before` to `after` bytes may have been under
/// way: where the text has all of it, the binary list is completed from it; else the write is taken
/// back as a whole. If `before` is absent, any whole entry may be the last. Files that do not exist
/// are empty.
Result<Mended> mend_list(const std::filesystem::path& directory,
                         std::optional<std::uint64_t> before = {}, std::uint64_t after = 0);

/// Returns the entry of a line of the text form; nothing where it is no such line, or its digest is
/// not the entry's. Knows the templates ima-ng, ima-buf, and ima-sig without a signature.
std::optional<NewEntry> entry_of_line(std::string_view line);

}  // namespace keyscribe::measure
