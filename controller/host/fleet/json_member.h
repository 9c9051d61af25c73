// SPDX-License-Identifier: Apache-2.0
// Members of an object that somebody else wrote.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace keyscribe::fleet {

/// "" where there is no such member, or it is no text.
inline std::string text_member(const nlohmann::json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

/// 0 where there is no such member, or it is no number from 0 on.
inline std::uint64_t number_member(const nlohmann::json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

}  // namespace keyscribe::fleet
