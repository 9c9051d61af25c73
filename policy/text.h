// SPDX-License-Identifier: Apache-2.0
// Text from policies and kernels, made safe and helpful to read.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace keyscribe::policy {

/// As a number from 0 to 255: whether char has a sign is the platform's.
constexpr std::uint8_t byte_at(std::string_view bytes, std::size_t index) {
    return static_cast<std::uint8_t>(bytes[index]);
}

/// Replaces every byte that a terminal could take for more than a character by \xNN: control
/// characters (those of Unicode and of writing direction too) and what is not UTF-8.
std::string escape(std::string_view bytes);

/// Characters of a text that escape() made.
std::size_t width(std::string_view escaped);

/// The candidate that `word` is most likely a misspelling of; empty: none is close.
std::string_view closest(std::string_view word, std::span<const std::string_view> candidates);

constexpr bool contains(std::span<const std::string_view> words, std::string_view word) {
    return std::ranges::find(words, word) != words.end();
}

/// The words with `separator` between them.
std::string join(std::span<const std::string_view> words, std::string_view separator);
std::string join(std::span<const std::string> words, std::string_view separator);

/// `text` in single quotes, escaped, and cut where it is very long.
std::string quote(std::string_view text);

}  // namespace keyscribe::policy
