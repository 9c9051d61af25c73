// SPDX-License-Identifier: Apache-2.0
// An event as the spool's file has it: for the next process of the same build's kind, not for
// anybody else. Integers in host byte order, strings with a 32-bit length before them.
#pragma once

#include <span>

#include "controller/base/error.h"
#include "controller/base/wiped_bytes.h"
#include "controller/host/events/key_event.h"

namespace keyscribe::spool {

WipedBytes pack_event(const events::KeyEvent& event);

/// Error: of another version, or lengths that do not add up.
Result<events::KeyEvent> unpack_event(std::span<const std::uint8_t> packed);

}  // namespace keyscribe::spool
