// SPDX-License-Identifier: Apache-2.0
// SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012): a check of a few
// bytes that nobody can make who does not know the key. OpenSSL's takes some microseconds to set
// up, which is as long as an event takes the capturing thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace keyscribe::base {

using SipKey = std::array<std::uint64_t, 2>;  ///< k0, k1

std::uint64_t siphash(const SipKey& key, std::span<const std::uint8_t> bytes);

}  // namespace keyscribe::base
