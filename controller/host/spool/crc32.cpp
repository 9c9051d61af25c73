// SPDX-License-Identifier: Apache-2.0
#include "controller/host/spool/crc32.h"

#include <zlib.h>

#include <array>

namespace keyscribe::spool {

std::uint32_t crc32(std::span<const std::uint8_t> bytes) {
    return static_cast<std::uint32_t>(::crc32_z(0, bytes.data(), bytes.size()));
}

bool correct_one_bit(std::span<std::uint8_t> bytes, std::uint32_t difference) {
    // A CRC is linear: what a flipped bit changes depends on nothing but the bytes behind it.
    const z_crc_t* table = ::get_crc_table();
    std::array<std::uint32_t, 8> changes{};
    for (int bit = 0; bit < 8; ++bit) changes[bit] = table[1u << bit];
    for (std::size_t i = bytes.size(); i-- > 0;) {
        for (int bit = 0; bit < 8; ++bit) {
            if (changes[bit] == difference) {
                bytes[i] ^= static_cast<std::uint8_t>(1u << bit);
                return true;
            }
            changes[bit] = table[changes[bit] & 0xff] ^ changes[bit] >> 8;
        }
    }
    return false;
}

}  // namespace keyscribe::spool
