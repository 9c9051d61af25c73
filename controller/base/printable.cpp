// SPDX-License-Identifier: Apache-2.0
#include "controller/base/printable.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace keyscribe::base {
namespace {

/// A code point and how many bytes encode it; 0: `text` begins with none (RFC 3629, 4).
std::pair<char32_t, std::size_t> first_letter(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned first = byte(0);
    if (first < 0x80) return {first, 1};
    const std::size_t size = first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first >= 0xf5 || text.size() < size) return {0, 0};
    char32_t letter = first & (0x7fu >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return {0, 0};
        letter = letter << 6 | (byte(i) & 0x3f);
    }
    constexpr std::array<char32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = letter >= 0xd800 && letter <= 0xdfff;
    if (letter < kLeast[size] || letter > 0x10ffff || surrogate) return {0, 0};
    return {letter, size};
}

/// Unicode 15: controls, format characters (Cf) that hide or reorder text, separators of lines.
bool is_hidden(char32_t letter) {
    constexpr std::pair<char32_t, char32_t> kRanges[] = {
        {0x00, 0x1f},     {0x7f, 0x9f},       {0xad, 0xad},       {0x61c, 0x61c},
        {0x180e, 0x180e}, {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},
        {0xfe00, 0xfe0f}, {0xfeff, 0xfeff},   {0xfff0, 0xfffb},   {0xfffe, 0xffff},
        {0xe000, 0xf8ff}, {0xe0000, 0xe0fff}, {0xf0000, 0x10ffff}};
    return std::ranges::any_of(kRanges, [letter](const auto& range) {
        return letter >= range.first && letter <= range.second;
    });
}

}  // namespace

std::string printable(std::string_view text, std::size_t limit) {
    std::string shown;
    const bool cut = text.size() > limit;
    std::string_view rest = text.substr(0, limit);
    // Not in the middle of a letter.
    for (int i = 0; cut && i < 3 && !rest.empty() && (text[rest.size()] & 0xc0) == 0x80; ++i)
        rest.remove_suffix(1);
    while (!rest.empty()) {
        const auto [letter, size] = first_letter(rest);
        const std::size_t taken = std::max<std::size_t>(size, 1);
        if (size != 0 && !is_hidden(letter)) {
            if (letter == '\\') shown += '\\';
            shown += rest.substr(0, taken);
        } else {
            for (const char byte : rest.substr(0, taken)) {
                constexpr std::string_view kDigits = "0123456789abcdef";
                const auto value = static_cast<unsigned char>(byte);
                shown += {'\\', 'x', kDigits[value >> 4], kDigits[value & 15]};
            }
        }
        rest.remove_prefix(taken);
    }
    return cut ? shown + "..." : shown;
}

}  // namespace keyscribe::base
