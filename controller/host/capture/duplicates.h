// SPDX-License-Identifier: Apache-2.0
// One build of the programs takes the place of another: for a moment both are attached, and what
// happens then is recorded twice.
#pragma once

#include <cstddef>
#include <vector>

#include "controller/host/events/key_event.h"

namespace keyscribe::capture {

/// Removes from `newer` what `older` has as well and returns how many those are. `newer` was
/// attached while `older` was, and is complete from some moment on; `older` is complete up to a
/// later one.
///
/// The kernel calls the programs of a function one after the other, in the thread that does the
/// operation, the one attached last first (bpf_trampoline_link_prog() puts it at the list's head).
/// So in a thread's own time a record of the newer one is directly followed by the older one's of
/// the same operation, if there is one.
std::size_t drop_duplicates(const std::vector<events::KeyEvent>& older,
                            std::vector<events::KeyEvent>& newer);

}  // namespace keyscribe::capture
