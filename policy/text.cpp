// SPDX-License-Identifier: Apache-2.0
#include "policy/text.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace keyscribe::policy {
namespace {

constexpr std::size_t kMaxQuoted = 80;

struct Decoded {
    std::size_t length = 0;  // 0: not UTF-8
    char32_t code = 0;
};

/// The first character of `bytes`, which are not empty (RFC 3629).
Decoded decode(std::string_view bytes) {
    const std::uint8_t first = byte_at(bytes, 0);
    if (first < 0x80) return {1, first};
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || bytes.size() < length) return {};
    char32_t code = first & (0x7f >> length);
    for (std::size_t i = 1; i < length; i++) {
        if ((byte_at(bytes, i) & 0xc0) != 0x80) return {};
        code = code << 6 | (byte_at(bytes, i) & 0x3f);
    }
    const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    const bool surrogate = code >= 0xd800 && code < 0xe000;
    if (overlong || surrogate || code > 0x10ffff) return {};
    return {length, code};
}

bool is_control(char32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0)  // C0, DEL, C1
           || (code >= 0x200b && code <= 0x200f)         // zero width, direction marks
           || (code >= 0x2028 && code <= 0x202e)         // separators, direction
           || (code >= 0x2060 && code <= 0x206f) || code == 0xfeff || code == 0x61c;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// Levenshtein's distance, not minding case.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); j++) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); i++) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); j++) {
            const std::size_t replaced = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
        }
    }
    return row[b.size()];
}

template <class String>
std::string join_any(std::span<const String> words, std::string_view separator) {
    std::string text;
    for (const auto& word : words) {
        if (&word != words.data()) text += separator;
        text += word;
    }
    return text;
}

}  // namespace

std::string escape(std::string_view bytes) {
    static constexpr char kHex[] = "0123456789abcdef";
    std::string text;
    while (!bytes.empty()) {
        const Decoded character = decode(bytes);
        const std::size_t length = std::max<std::size_t>(character.length, 1);
        if (character.length > 0 && !is_control(character.code)) {
            text += bytes.substr(0, length);
        } else {
            for (std::size_t i = 0; i < length; i++) {
                const std::uint8_t byte = byte_at(bytes, i);
                text += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
            }
        }
        bytes.remove_prefix(length);
    }
    return text;
}

std::size_t width(std::string_view escaped) {
    return static_cast<std::size_t>(std::ranges::count_if(
        escaped, [](char c) { return (static_cast<std::uint8_t>(c) & 0xc0) != 0x80; }));
}

std::string_view closest(std::string_view word, std::span<const std::string_view> candidates) {
    std::string_view best;
    if (word.size() > kMaxQuoted) return best;
    std::size_t best_distance = std::min<std::size_t>(3, word.size() / 2) + 1;
    for (const std::string_view candidate : candidates) {
        const std::size_t shorter = std::min(word.size(), candidate.size());
        const std::size_t longer = std::max(word.size(), candidate.size());
        if (longer - shorter >= best_distance) continue;  // the distance is at least that
        const std::size_t d = distance(word, candidate);
        if (d >= best_distance) continue;
        best = candidate;
        best_distance = d;
    }
    return best;
}

std::string join(std::span<const std::string_view> words, std::string_view separator) {
    return join_any(words, separator);
}

std::string join(std::span<const std::string> words, std::string_view separator) {
    return join_any(words, separator);
}

std::string quote(std::string_view text) {
    if (text.size() <= kMaxQuoted) return "'" + escape(text) + "'";
    return "'" + escape(text.substr(0, kMaxQuoted)) + "...'";
}

}  // namespace keyscribe::policy
