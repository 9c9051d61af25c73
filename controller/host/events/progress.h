// SPDX-License-Identifier: Apache-2.0
// How far a ring of the kernel is read. The spool keeps it, so that the next process goes on there.
#pragma once

#include <cstdint>

namespace keyscribe::events {

/// Everything that the ring had before `position` is in the spool, or needs no entry.
struct Progress {
    std::uint32_t ring = 0;  ///< id of the ring's map; 0: none yet
    std::uint32_t reserved = 0;
    std::uint64_t position = 0;
    std::uint64_t received = 0;  ///< events of this ring, those that the spool dropped included
    std::uint64_t reported = 0;  ///< sequence numbers of this ring reported as lost
    std::uint64_t settled = 0;   ///< every number up to this one was received or reported
    std::uint64_t missed = 0;    ///< runs that the kernel skipped and that were reported
};

}  // namespace keyscribe::events
