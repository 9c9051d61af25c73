// SPDX-License-Identifier: Apache-2.0
#include "controller/service/report/html.h"

#include "controller/base/utf8.h"

namespace keyscribe::report {
namespace {

std::string_view reference(char32_t code) {
    switch (code) {
        case '&':
            return "&amp;";
        case '<':
            return "&lt;";
        case '>':
            return "&gt;";
        case '"':
            return "&quot;";
        case '\'':
            return "&#39;";
        case '`':
            return "&#96;";
        case '\\':
            return "\\\\";
        default:
            return {};
    }
}

}  // namespace

std::string escape(std::string_view bytes) {
    std::string safe;
    safe.reserve(bytes.size() + bytes.size() / 8);
    const auto out = std::back_inserter(safe);
    while (!bytes.empty()) {
        const auto next = first_character(bytes);
        const std::size_t size = next ? next->size : 1;
        if (!next || (next->code < 0x80 && is_unseen(next->code)))
            fmt::format_to(out, "\\x{:02x}", static_cast<unsigned char>(bytes[0]));
        else if (is_unseen(next->code))
            fmt::format_to(out, "\\u{{{:x}}}", static_cast<std::uint32_t>(next->code));
        else if (const std::string_view entity = reference(next->code); !entity.empty())
            safe += entity;
        else
            safe += bytes.substr(0, size);
        bytes.remove_prefix(size);
    }
    return safe;
}

}  // namespace keyscribe::report
