// SPDX-License-Identifier: Apache-2.0
// Digests as people and programs write them.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/digest.h"

namespace keyscribe::appraise {

/// "ab12...", "AB12...", or "AB:12:...", as openssl and keyctl write them. Nothing where it is
/// none.
inline std::optional<std::vector<std::uint8_t>> bytes_of_text(std::string_view text) {
    constexpr std::size_t kLongest = 3 * 64;
    if (text.size() > kLongest) return std::nullopt;
    std::string hex(text);
    if (text.size() % 3 == 2 && text.find(':') != text.npos)
        for (std::size_t i = text.size() - 3; i > 0 && i < text.size(); i -= 3)
            if (text[i] == ':') hex.erase(i, 1);
    if (hex.empty()) return std::nullopt;
    return from_hex(hex);
}

/// As above, of 32 bytes, with or without "sha256:" before them.
inline std::optional<Sha256> sha256_of_text(std::string_view text) {
    constexpr std::string_view kPrefix = "sha256:";
    if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());
    const auto bytes = bytes_of_text(text);
    Sha256 digest;
    if (!bytes || bytes->size() != digest.size()) return std::nullopt;
    std::ranges::copy(*bytes, digest.begin());
    return digest;
}

}  // namespace keyscribe::appraise
