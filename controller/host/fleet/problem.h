// SPDX-License-Identifier: Apache-2.0
// What a verifier says where it does not do what it was asked for: RFC 9457.
#pragma once

#include <chrono>
#include <expected>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "controller/base/error.h"
#include "controller/host/fleet/https.h"

namespace keyscribe::fleet {

struct Problem {
    Error error;
    int status = 0;    ///< 0: there was no answer
    std::string word;  ///< of "urn:keyscribe:problem:WORD"; "": of another type, or of none
    std::optional<std::chrono::seconds> retry_after;  ///< RFC 9110, 10.2.3, where it is a number
};

template <class T>
using Answered = std::expected<T, Problem>;

/// Of an answer to `method` and `route` whose status is not what was hoped for.
Problem problem_of(const Answer& answer, const std::string& where);

/// Of no answer at all, or of one that is not understood.
inline std::unexpected<Problem> without_answer(const Error& error) {
    return std::unexpected(Problem{.error = error});
}

/// Sends a request and returns the JSON object of an answer that has `status`.
Answered<nlohmann::json> ask(Connection& connection, const Request& request, int status,
                             const std::string& url);

}  // namespace keyscribe::fleet
