// SPDX-License-Identifier: Apache-2.0
// JSON as it is written for people and programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace keyscribe::list {

/// Returns `value` in ASCII alone, on one line where `indent` is -1. Whatever somebody put into a
/// name (DEL, C1 controls, marks that turn the direction of text) is \uXXXX (RFC 8259, section 7),
/// on which no terminal acts; a byte that is no UTF-8 is \ufffd.
template <class Json>
std::string json_text(const Json& value, int indent = -1) {
    return value.dump(indent, ' ', true, Json::error_handler_t::replace);
}

}  // namespace keyscribe::list
