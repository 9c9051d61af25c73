// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace keyscribe::events {

/// What the programs count, since they were loaded; `numbered` alone is of this process.
struct KernelCounters {
    std::uint64_t filtered = 0;  ///< operations that no rule can match: not sent
    std::uint64_t numbered = 0;  ///< sequence numbers that this process has to receive or report
    std::uint64_t lost = 0;      ///< events that the ring had no room for
    std::uint64_t no_room = 0;   ///< events sent without their payload, for want of room
    /// Runs that the kernel skipped (bpf_prog_info, recursion_misses) of programs that see
    /// operations: where the baseline's is skipped, no operation goes unseen.
    std::uint64_t missed = 0;
    std::map<std::string, std::uint64_t> missed_of;  ///< by Hook::operations, where there are any
};

}  // namespace keyscribe::events
