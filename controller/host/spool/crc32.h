// SPDX-License-Identifier: Apache-2.0
// The CRC of ISO 3309 (zlib's, reflected polynomial 0xedb88320), and what it can repair.
#pragma once

#include <cstdint>
#include <span>

namespace keyscribe::spool {

std::uint32_t crc32(std::span<const std::uint8_t> bytes);

/// `difference`: what the CRC of `bytes` is XOR what it should be. Where one flipped bit explains
/// it, flips that bit back. False: more than one bit is wrong.
bool correct_one_bit(std::span<std::uint8_t> bytes, std::uint32_t difference);

}  // namespace keyscribe::spool
