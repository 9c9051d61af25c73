// SPDX-License-Identifier: Apache-2.0
// What the frames of the spool's file stand for, but for events (event_codec.h).
#pragma once

#include <optional>
#include <span>

#include "controller/host/spool/spool.h"

namespace keyscribe::spool {

/// A policy's frame: generation, then name and text of each file, each with a 32-bit length.
WipedBytes pack_policy(const PolicyChange& change);

template <class T>
std::span<const std::uint8_t> bytes_of_value(const T& value) {
    return {reinterpret_cast<const std::uint8_t*>(&value), sizeof(value)};
}

/// Nothing: this build does not understand it.
std::optional<SpoolItem> item_of(const Frame& frame);

}  // namespace keyscribe::spool
