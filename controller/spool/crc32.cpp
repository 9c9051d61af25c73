// SPDX-License-Identifier: Apache-2.0
#include "controller/spool/crc32.h"

#include <array>

namespace keyscribe {
namespace {

constexpr std::array<std::uint32_t, 256> kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t value = byte;
        for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
        table[byte] = value;
    }
    return table;
}();

constexpr std::uint32_t step(std::uint32_t value, std::uint8_t byte) {
    return kTable[(value ^ byte) & 0xff] ^ value >> 8;
}

}  // namespace

std::uint32_t crc32(std::span<const std::uint8_t> bytes, std::uint32_t before) {
    std::uint32_t value = ~before;
    for (const std::uint8_t byte : bytes) value = step(value, byte);
    return ~value;
}

bool correct_one_bit(std::span<std::uint8_t> bytes, std::uint32_t difference) {
    // A CRC is linear: what a flipped bit changes depends on nothing but the bytes behind it.
    std::array<std::uint32_t, 8> changes{};
    for (int bit = 0; bit < 8; ++bit) changes[bit] = kTable[1u << bit];
    for (std::size_t i = bytes.size(); i-- > 0;) {
        for (int bit = 0; bit < 8; ++bit) {
            if (changes[bit] == difference) {
                bytes[i] ^= static_cast<std::uint8_t>(1u << bit);
                return true;
            }
            changes[bit] = step(changes[bit], 0);
        }
    }
    return false;
}

}  // namespace keyscribe
