// SPDX-License-Identifier: Apache-2.0
// Where a command's result goes.
#pragma once

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "controller/base/output_file.h"

namespace keyscribe::cli {

/// Writes the file; "-" is the standard output, whose failures main() makes status 2.
inline Result<void> write_output(const std::filesystem::path& path, Bytes bytes,
                                 mode_t mode = kEverybodyReads) {
    if (path != "-") return write_file(path, bytes, mode);
    if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() ||
        std::fflush(stdout) != 0)
        return fail_errno("cannot write the standard output");
    return {};
}

/// Error: `output` is one of the files that the command reads, by whatever name.
inline Result<void> refuse_to_overwrite(const std::filesystem::path& output,
                                        const std::vector<std::string>& inputs) {
    for (const std::string& input : inputs) {
        std::error_code not_there;
        if (std::filesystem::equivalent(output, input, not_there))
            return fail("the output would replace an input", output.string(),
                        "choose another name for the output");
    }
    return {};
}

}  // namespace keyscribe::cli
