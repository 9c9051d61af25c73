// SPDX-License-Identifier: Apache-2.0
// What keyrings hold, as the kernel says when it is asked.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "controller/host/events/key_event.h"

namespace keyscribe::events {

/// Keys as they stand, those of nested keyrings included.
struct Baseline {
    std::string reason;                 ///< "start", "restart", "policy", "order", "loss", "missed"
    std::uint64_t boot_time_ns = 0;     ///< when it began, CLOCK_BOOTTIME
    std::vector<KeyringName> keyrings;  ///< that were looked at
    std::vector<KeyEvent> keys;         ///< KS_OP_BASELINE; a keyring itself has no keyring
    std::vector<std::int32_t> gone = {};  ///< keyrings that were known and exist no more
};

/// Between what was known of a baseline's keyrings and what they hold.
struct Difference {
    std::uint64_t appeared = 0;
    std::uint64_t vanished = 0;
};

/// Identifies a key in a keyring, which has no two of one type and description (struct
/// keyring_index_key in <linux/key.h>): a hash of both; where namespaces tell them apart as well
/// (base/network_keys.h), with the serial.
std::size_t key_index(std::string_view type, std::string_view description, std::int32_t serial);

/// A place in a keyring of which the records' order does not say what key stands there.
struct PlaceInDoubt {
    std::int32_t keyring = 0;
    std::size_t index = 0;  ///< key_index()
    auto operator<=>(const PlaceInDoubt&) const = default;
};

}  // namespace keyscribe::events
