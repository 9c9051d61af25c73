// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/problem.h"

#include <spdlog/spdlog.h>

#include "controller/list/json_text.h"
#include "controller/service/verifier/database.h"

namespace keyscribe::verifier {

std::string to_json(const Problem& problem) {
    nlohmann::json object = problem.more.is_object() ? problem.more : nlohmann::json::object();
    object["type"] = "urn:keyscribe:problem:" + problem.word;
    object["title"] = problem.title;
    object["status"] = problem.status;
    if (!problem.detail.empty()) object["detail"] = problem.detail;
    return list::json_text(object);
}

Problem problem_of(const Error& error) {
    if (is_of_store(error))
        return {.status = 503,
                .word = "store",
                .title = "The database is away, or has no room left",
                .detail = error.what,
                .retry_after = 5};
    if (error.where == kAmbiguous)
        return {.status = 409,
                .word = "ambiguous",
                .title = "Several hosts have this name",
                .detail = error.hint};
    if (is_of_statement(error)) {
        // Its words have names and values of the database's, which are for the journal alone.
        spdlog::error("{}", error.what);
        return {.status = 500, .word = "internal", .title = "A fault of this program"};
    }
    return {.status = 500, .word = "internal", .title = to_string(error)};
}

}  // namespace keyscribe::verifier
