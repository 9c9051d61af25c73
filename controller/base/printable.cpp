// SPDX-License-Identifier: Apache-2.0
#include "controller/base/printable.h"

#include <fmt/format.h>

#include <cstdint>
#include <optional>

namespace keyscribe::base {
namespace {

struct Character {
    std::uint32_t code = 0;
    std::size_t length = 0;
};

/// Returns the character at the beginning; nothing: that is no UTF-8 (RFC 3629).
std::optional<Character> first_character(std::string_view text) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    if (byte(0) < 0x80) return Character{byte(0), 1};
    const std::size_t length = (byte(0) & 0xe0) == 0xc0   ? 2
                               : (byte(0) & 0xf0) == 0xe0 ? 3
                               : (byte(0) & 0xf8) == 0xf0 ? 4
                                                          : 0;
    if (length == 0 || text.size() < length) return std::nullopt;
    std::uint32_t code = byte(0) & (0x7f >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return std::nullopt;
        code = code << 6 | (byte(i) & 0x3f);
    }
    constexpr std::uint32_t kFirst[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
    if (code < kFirst[length] || code > 0x10ffff || is_surrogate) return std::nullopt;
    return Character{code, length};
}

/// Nobody sees these, or they change what stands beside them: controls, and Unicode's format
/// characters, line separators, variation selectors and tags.
bool is_deceptive(std::uint32_t code) {
    return code < 0x20 || code == '\\' || (code >= 0x7f && code <= 0x9f) || code == 0xad ||
           code == 0x61c || code == 0x180e || (code >= 0x200b && code <= 0x200f) ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
           (code >= 0xfe00 && code <= 0xfe0f) || code == 0xfeff ||
           (code >= 0xfff0 && code <= 0xffff) || (code >= 0xe0000 && code <= 0xe0fff);
}

}  // namespace

std::string printable(std::string_view name, std::size_t limit) {
    std::string text;
    const bool cut = name.size() > limit;
    // Not in the middle of a character.
    if (cut)
        while (limit > 0 && (name[limit] & 0xc0) == 0x80) --limit;
    name = name.substr(0, limit);
    while (!name.empty()) {
        const auto character = first_character(name);
        const std::size_t length = character ? character->length : 1;
        if (character && !is_deceptive(character->code))
            text += name.substr(0, length);
        else
            for (const char byte : name.substr(0, length))
                text += fmt::format("\\{:03o}", static_cast<unsigned char>(byte));
        name.remove_prefix(length);
    }
    return cut ? text + "..." : text;
}

}  // namespace keyscribe::base
