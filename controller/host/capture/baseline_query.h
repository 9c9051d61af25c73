// SPDX-License-Identifier: Apache-2.0
// Has the kernel look at keyrings: a program of ours walks them and sends what they hold to the
// ring.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "bpf/filter.h"
#include "controller/base/error.h"

namespace keyscribe::capture {

/// Has the program look, in `request` (of its variables), by `mode`, at `keyring`. It sends as much
/// as the ring takes: `drain` reads that, and where there is more, `release` gives the room back,
/// and it is asked again. Where the kernel skips the program, it is asked again too: nothing that
/// comes is no answer. Error: the kernel cannot be asked.
Result<void> query_baseline(ks_baseline& request, std::uint32_t mode, std::int32_t keyring,
                            const std::function<void()>& drain,
                            const std::function<void()>& release);

/// Returns the serials of the kernel's own keyrings, whose names begin with a dot: of the namespace
/// in which they could be asked for by name they are no part.
std::vector<std::int32_t> kernel_keyrings();

}  // namespace keyscribe::capture
