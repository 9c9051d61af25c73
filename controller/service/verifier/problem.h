// SPDX-License-Identifier: Apache-2.0
// Why a request is refused: RFC 9457.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "controller/base/error.h"

namespace keyscribe::verifier {

/// `word` is the end of the problem's type, urn:keyscribe:problem:WORD, and stable.
struct Problem {
    unsigned status = 500;
    std::string word, title, detail;
    nlohmann::json more;       ///< further members; an object or null
    unsigned retry_after = 0;  ///< seconds; 0: no such header
};

/// Where an error is of a name that several hosts have.
inline constexpr const char* kAmbiguous = "name";

std::string to_json(const Problem& problem);

/// Of an error of the database or of this program: nothing that the client did.
Problem problem_of(const Error& error);

}  // namespace keyscribe::verifier
