// SPDX-License-Identifier: Apache-2.0
// From the bytes of a ring record (bpf/event.h) to a KeyEvent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "controller/base/error.h"
#include "controller/host/events/key_event.h"

namespace keyscribe::capture {

/// Every length in the record is checked against the record's own size. The bytes are those of
/// bpf/event.h; what follows `size` in the ring's size class is ignored.
/// Of another build: what it appended to the fixed part is passed over, what it lacks there is 0.
/// Error: a record of another version, shorter than it says, or inconsistent in itself.
Result<events::KeyEvent> decode_event(std::span<const std::byte> record);

/// Returns the number of a record of any version; 0: it has none.
std::uint64_t sequence_of(std::span<const std::byte> record);

}  // namespace keyscribe::capture
