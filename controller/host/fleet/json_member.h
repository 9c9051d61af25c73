// SPDX-License-Identifier: Apache-2.0
// A member of an object that somebody else wrote.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace keyscribe::fleet {

/// Returns the text; empty where it is not there, or no text.
inline std::string text_in(const nlohmann::json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace keyscribe::fleet
