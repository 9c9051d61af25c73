// SPDX-License-Identifier: Apache-2.0
// Files that a command writes.
#pragma once

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::cli {

/// "-" is the standard output.
inline Result<void> write_output(const std::filesystem::path& path, Bytes bytes) {
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    std::unique_ptr<std::FILE, Close> owned;
    std::FILE* file = stdout;
    if (path != "-") {
        owned.reset(std::fopen(path.c_str(), "wbe"));
        if (!owned) return fail_errno("cannot write the file", path.string());
        file = owned.get();
    }
    if (std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size() || std::fflush(file) != 0)
        return fail_errno("cannot write the file", path.string());
    return {};
}

}  // namespace keyscribe::cli
