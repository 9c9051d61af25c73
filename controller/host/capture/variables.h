// SPDX-License-Identifier: Apache-2.0
// The programs' variables, as their map is laid out in memory.
#pragma once

#include <atomic>
#include <cstdint>

#include "bpf/filter.h"
#include "keyscribe.skel.h"

namespace keyscribe::capture {

using Variables = keyscribe_bpf::keyscribe_bpf__bss;

/// Returns a counter that the programs change meanwhile.
inline std::uint64_t load_counter(const __u64& counter) {
    return std::atomic_ref(const_cast<__u64&>(counter)).load(std::memory_order_relaxed);
}

}  // namespace keyscribe::capture
