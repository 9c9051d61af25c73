// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "controller/base/printable.h"

namespace keyscribe::cli {
namespace {

/// Back to the first column, and what stands in the line is erased (ECMA-48, EL).
constexpr const char* kClear = "\r\x1b[K";

}  // namespace

Progress::Progress() : is_terminal_(::isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
    if (is_terminal_) std::fputs(kClear, stderr);
}

void Progress::tell(std::size_t done, std::size_t all, std::string_view what) {
    constexpr std::size_t kLongest =
        60;  // a line of 80 columns holds it: a longer one could not be erased
    if (!is_terminal_) return;
    // What counts is a path's end.
    const std::string_view end = what.substr(what.size() - std::min(what.size(), kLongest));
    const std::scoped_lock lock(mutex_);
    fmt::print(stderr, "{}{} of {}: {}", kClear, done, all, base::printable(end, kLongest));
    std::fflush(stderr);
}

}  // namespace keyscribe::cli
