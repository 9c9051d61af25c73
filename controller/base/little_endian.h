// SPDX-License-Identifier: Apache-2.0
// Integers in bytes: little-endian in IMA's binary list, big-endian in TPM structures and
// signatures.
#pragma once

#include <cstdint>

#include "controller/base/error.h"

namespace keyscribe::base {

constexpr std::uint32_t load_le32(const std::uint8_t* from) {
    return std::uint32_t{from[0]} | std::uint32_t{from[1]} << 8 | std::uint32_t{from[2]} << 16 |
           std::uint32_t{from[3]} << 24;
}

constexpr std::uint32_t load_be32(const std::uint8_t* from) {
    return std::uint32_t{from[0]} << 24 | std::uint32_t{from[1]} << 16 |
           std::uint32_t{from[2]} << 8 | std::uint32_t{from[3]};
}

constexpr void store_le32(std::uint8_t* to, std::uint32_t value) {
    for (int i = 0; i < 4; ++i) to[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

}  // namespace keyscribe::base
