// SPDX-License-Identifier: Apache-2.0
#include "controller/base/utf8.h"

#include <algorithm>
#include <iterator>

namespace keyscribe::base {
namespace {

struct Range {
    char32_t first, last;
};

/// What is not seen as itself. Source: Unicode 15, general categories Cc, Cf, Zs, Zl, Zp, Co, and
/// the blocks of combining marks, variation selectors and fillers.
constexpr Range kUnseen[] = {
    {0x00, 0x1f},       {0x7f, 0xa0},       {0xad, 0xad},       {0x300, 0x36f},
    {0x483, 0x489},     {0x591, 0x5bd},     {0x600, 0x605},     {0x610, 0x61c},
    {0x64b, 0x65f},     {0x6dd, 0x6dd},     {0x70f, 0x70f},     {0x890, 0x891},
    {0x8e2, 0x8e2},     {0xe31, 0xe31},     {0xe34, 0xe3a},     {0xe47, 0xe4e},
    {0x115f, 0x1160},   {0x1680, 0x1680},   {0x17b4, 0x17b5},   {0x180b, 0x180f},
    {0x1ab0, 0x1aff},   {0x1dc0, 0x1dff},   {0x2000, 0x200f},   {0x2028, 0x202f},
    {0x205f, 0x206f},   {0x20d0, 0x20ff},   {0x2800, 0x2800},   {0x3000, 0x3000},
    {0x302a, 0x302f},   {0x3164, 0x3164},   {0xe000, 0xf8ff},   {0xfdd0, 0xfdef},
    {0xfe00, 0xfe0f},   {0xfe20, 0xfe2f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
    {0xfff0, 0xffff},   {0x110bd, 0x110bd}, {0x110cd, 0x110cd}, {0x13430, 0x1343f},
    {0x1bca0, 0x1bca3}, {0x1d165, 0x1d182}, {0xe0000, 0x10ffff}};

}  // namespace

std::optional<Character> first_character(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned first = byte(0);
    if (first < 0x80) return Character{first, 1};
    const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < size) return std::nullopt;
    char32_t code = first & (0x7fu >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return std::nullopt;
        code = code << 6 | (byte(i) & 0x3fu);
    }
    constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < kLeast[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return std::nullopt;
    return Character{code, size};
}

bool is_unseen(char32_t code) {
    const auto after = std::ranges::upper_bound(kUnseen, code, {}, &Range::first);
    return after != std::begin(kUnseen) && code <= std::prev(after)->last;
}

void append_utf8(std::string& text, char32_t code) {
    if (code < 0x80) {
        text += static_cast<char>(code);
        return;
    }
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    constexpr unsigned kFirst[] = {0, 0xc0, 0xe0, 0xf0};
    text += static_cast<char>(kFirst[more] | code >> (6 * more));
    for (int i = more - 1; i >= 0; --i) text += static_cast<char>(0x80 | (code >> (6 * i) & 0x3f));
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const auto first = first_character(text);
        if (!first) return false;
        text.remove_prefix(first->size);
    }
    return true;
}

std::string_view beginning(std::string_view text, std::size_t bytes) {
    if (text.size() <= bytes) return text;
    std::size_t end = bytes;
    // At most three bytes of one character lie behind its first.
    for (int i = 0; i < 3 && end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80; ++i)
        --end;
    return text.substr(0, end);
}

std::string visible(std::string_view text, std::size_t bytes) {
    std::string safe;
    for (text = beginning(text, bytes); !text.empty();) {
        const auto next = first_character(text);
        const std::size_t size = next ? next->size : 1;
        const bool seen = next && (next->code == ' ' || !is_unseen(next->code));
        safe += seen ? text.substr(0, size) : std::string_view("?");
        text.remove_prefix(size);
    }
    return safe;
}

}  // namespace keyscribe::base
