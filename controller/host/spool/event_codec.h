// SPDX-License-Identifier: Apache-2.0
// An event as the spool's file has it, for the next process, which may be of another build. It
// begins with a version, the number of fields, and the event's sequence number; each field has a
// tag and a size before it. A field that is not there has its default. All in host byte order.
#pragma once

#include <span>

#include "controller/base/error.h"
#include "controller/base/wiped_bytes.h"
#include "controller/host/events/key_event.h"

namespace keyscribe::spool {

WipedBytes pack_event(const events::KeyEvent& event);

/// Error: of another version, or with a field that this build does not know.
Result<events::KeyEvent> unpack_event(std::span<const std::uint8_t> packed);

/// The sequence number of an event of any version; 0: it has none.
std::uint64_t sequence_of(std::span<const std::uint8_t> packed);

}  // namespace keyscribe::spool
