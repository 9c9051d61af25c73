// SPDX-License-Identifier: Apache-2.0
#include "controller/host/fleet/problem.h"

#include <charconv>

#include "controller/host/fleet/json_member.h"

namespace keyscribe::fleet {
namespace {

using nlohmann::json;

constexpr std::string_view kOurs = "urn:keyscribe:problem:";
constexpr std::size_t kLongestText = 1000;
constexpr unsigned kLongestPause = 86'400;

/// What to do, where word or status says so.
std::string remedy(const std::string& word, int status) {
    if (word == "token") return "ask whoever runs the verifier for a new token";
    if (word == "unknown-host")
        return "keyscribe enrol, or an operator's yes where this host waits for it";
    if (status == 404) return "is this the address of keyscribe-verifier?";
    if (status == 413) return "the verifier's settings bound what a host may send";
    if (status == 429 || status == 503) return "the verifier asks for patience: try again later";
    if (status / 100 == 3) return "no redirect is followed: enrol with the address that it names";
    return "";
}

void read_problem(const std::string& body, Problem& problem) {
    const json told = json::parse(body, nullptr, false);
    if (!told.is_object()) return;
    const std::string title = text_member(told, "title").substr(0, kLongestText),
                      detail = text_member(told, "detail").substr(0, kLongestText);
    if (!title.empty() || !detail.empty())
        problem.error.what = "the verifier answers: " + title +
                             (title.empty() || detail.empty() ? "" : ": ") + detail;
    if (const std::string type = text_member(told, "type"); type.starts_with(kOurs))
        problem.word = type.substr(kOurs.size());
}

}  // namespace

Problem problem_of(const Answer& answer, const std::string& where) {
    Problem problem{.status = answer.status};
    problem.error.where = where;
    problem.error.what = "the verifier answers with status " + std::to_string(answer.status);
    unsigned pause = 0;
    const char* end = answer.retry_after.data() + answer.retry_after.size();
    if (const auto read = std::from_chars(answer.retry_after.data(), end, pause);
        read.ec == std::errc() && read.ptr == end && pause <= kLongestPause)
        problem.retry_after = std::chrono::seconds(pause);
    if (answer.content_type == "application/problem+json") read_problem(answer.body, problem);
    problem.error.hint = remedy(problem.word, problem.status);
    return problem;
}

Answered<json> ask(Connection& connection, const Request& request, int status,
                   const std::string& url) {
    const std::string where = url + request.target;
    const auto answer = connection.exchange(request);
    if (!answer) return without_answer(answer.error());
    if (answer->status != status) return std::unexpected(problem_of(*answer, where));
    json object = json::parse(answer->body, nullptr, false);
    if (!object.is_object())
        return without_answer(
            {"the answer is no JSON object", where, "is this keyscribe-verifier?"});
    return object;
}

}  // namespace keyscribe::fleet
