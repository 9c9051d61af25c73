// SPDX-License-Identifier: Apache-2.0
// JSON as it is written for people and programs.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace keyscribe::list {

/// Returns `value` in ASCII alone, on one line where `indent` is -1. Whatever somebody put into a
/// name (DEL, C1 controls, marks that turn the direction of text) is \uXXXX (RFC 8259, section 7),
/// on which no terminal acts; a byte that is no UTF-8 is \ufffd.
template <class Json>
std::string json_text(const Json& value, int indent = -1) {
    return value.dump(indent, ' ', true, Json::error_handler_t::replace);
}

/// Appends `text` as json_text() writes it, for many of them: what needs no escape is copied.
inline void append_json_text(std::string& to, std::string_view text) {
    const auto plain = [](unsigned char byte) {
        return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
    };
    if (std::ranges::all_of(text, plain))
        to.append(1, '"').append(text).append(1, '"');
    else
        to += json_text(nlohmann::json(text));
}

}  // namespace keyscribe::list
