// SPDX-License-Identifier: Apache-2.0
#include "controller/base/printable.h"

#include <algorithm>

#include "controller/base/utf8.h"

namespace keyscribe::base {
namespace {

void append_octal(std::string& text, unsigned byte) {
    text += '\\';
    for (const unsigned shift : {6u, 3u, 0u}) text += static_cast<char>('0' + (byte >> shift & 7));
}

std::string seen(std::string_view shown, bool escapes_backslash) {
    std::string text;
    for (std::string_view rest = shown; !rest.empty();) {
        const auto next = first_character(rest);
        const std::size_t size = next ? next->size : 1;
        if (next && !is_unseen(next->code) && !(next->code == '\\' && escapes_backslash))
            text += rest.substr(0, size);
        else
            for (const char byte : rest.substr(0, size))
                append_octal(text, static_cast<unsigned char>(byte));
        rest.remove_prefix(size);
    }
    return text;
}

}  // namespace

std::string printable(std::string_view name, std::size_t limit) {
    const std::string_view shown = beginning(name, limit);
    // A backslash is what the escapes begin with.
    const std::string text = seen(shown, true);
    return shown.size() < name.size() ? text + "..." : text;
}

std::string printable_lines(std::string_view text) {
    std::string lines;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        if (begin != 0) lines += '\n';
        lines += seen(text.substr(begin, end - begin), false);
        begin = end + 1;
    }
    return lines;
}

}  // namespace keyscribe::base
