// SPDX-License-Identifier: Apache-2.0
// Nonces without a table: the time, random bytes and a MAC over both with a key that all processes
// share. A nonce that any of them gave is known by its MAC. That none is used twice is decided
// where a verdict is written: a quote's TPM clock must be later than the host's last one.
//
//     6 bytes time (milliseconds since 1970, big-endian) | 10 random | 16 of HMAC-SHA256(key, the
//     16 before)
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "controller/base/digest.h"
#include "controller/service/verifier/secrets.h"

namespace keyscribe::verifier {

using Nonce = std::array<std::uint8_t, 32>;

/// Milliseconds that a nonce is good for: a TPM's quote takes up to 2, a long list its time on the
/// way. Veraison has the same.
inline constexpr std::int64_t kNonceLife = 150'000;
/// By how much the clocks of two processes may differ.
inline constexpr std::int64_t kClockSkew = 30'000;

/// Milliseconds since 1970.
std::int64_t now_ms();

class NonceMaker {
  public:
    explicit NonceMaker(SecretText key) : key_(std::move(key)) {}

    Nonce make(std::int64_t time) const;
    /// When it was given. Nothing where none of this verifier's processes gave it.
    std::optional<std::int64_t> time_of(Bytes nonce) const;
    /// Whether it was given by one of them, and is good still.
    bool is_good(Bytes nonce, std::int64_t time) const;

  private:
    std::array<std::uint8_t, 16> mac(Bytes head) const;
    SecretText key_;
};

}  // namespace keyscribe::verifier
