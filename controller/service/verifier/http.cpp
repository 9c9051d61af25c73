// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/http.h"

#include <algorithm>

#include "controller/base/digest.h"
#include "controller/base/utf8.h"
#include "controller/list/json_text.h"

namespace keyscribe::verifier {
namespace {

const std::string kNothing;

bool unescape(std::string_view from, std::string& to, bool plus_is_space) {
    for (std::size_t i = 0; i < from.size(); ++i) {
        if (from[i] == '+' && plus_is_space) {
            to += ' ';
        } else if (from[i] != '%') {
            to += from[i];
        } else {
            const auto byte = from_hex(from.substr(i + 1, 2));
            if (!byte || byte->size() != 1 || (*byte)[0] == 0) return false;
            to += static_cast<char>((*byte)[0]);
            i += 2;
        }
    }
    return true;
}

/// Whether the path is one of the pattern's; then `parts` has what stands in its braces.
bool matches(std::string_view pattern, std::string_view path, std::vector<std::string>& parts) {
    parts.clear();
    while (!pattern.empty() && !path.empty()) {
        const auto pattern_end = std::min(pattern.find('/', 1), pattern.size());
        const auto path_end = std::min(path.find('/', 1), path.size());
        const std::string_view want = pattern.substr(0, pattern_end);
        const std::string_view have = path.substr(0, path_end);
        if (want.starts_with("/{")) {
            std::string part;
            if (have.size() < 2 || !unescape(have.substr(1), part, false) || !base::is_utf8(part))
                return false;
            parts.push_back(std::move(part));
        } else if (want != have) {
            return false;
        }
        pattern.remove_prefix(pattern_end);
        path.remove_prefix(path_end);
    }
    return pattern.empty() && path.empty();
}

}  // namespace

const std::string& Request::field(const std::string& name) const {
    const auto found = fields.find(name);
    return found == fields.end() ? kNothing : found->second;
}

const std::string& Request::parameter(const std::string& name) const {
    const auto found = query.find(name);
    return found == query.end() ? kNothing : found->second;
}

std::string Request::media_type() const {
    std::string type = field("content-type").substr(0, field("content-type").find(';'));
    while (type.ends_with(' ')) type.pop_back();
    std::ranges::transform(type, type.begin(), [](unsigned char letter) {
        return static_cast<char>(std::tolower(letter));
    });
    return type;
}

bool Request::is_of_this_site() const {
    const std::string& site = field("sec-fetch-site");
    if (!site.empty() && site != "same-origin") return false;
    const std::string& origin = field("origin");
    return origin.empty() || origin == "https://" + field("host");
}

Response json_response(const nlohmann::json& body, unsigned status) {
    return {.status = status, .body = list::json_text(body) + '\n'};
}

Response problem_response(const Problem& problem) {
    Response response{.status = problem.status,
                      .type = "application/problem+json",
                      .body = to_json(problem) + '\n'};
    if (problem.retry_after != 0)
        response.fields.emplace_back("Retry-After", std::to_string(problem.retry_after));
    return response;
}

bool parse_target(std::string_view target, Request& request) {
    if (!target.starts_with('/')) return false;
    const auto question = std::min(target.find('?'), target.size());
    request.path = target.substr(0, question);
    std::string_view query = target.substr(std::min(question + 1, target.size()));
    while (!query.empty()) {
        const auto end = std::min(query.find('&'), query.size());
        const std::string_view one = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        const auto equals = std::min(one.find('='), one.size());
        std::string name, value;
        if (!unescape(one.substr(0, equals), name, true) ||
            !unescape(one.substr(std::min(equals + 1, one.size())), value, true) ||
            !base::is_utf8(name) || !base::is_utf8(value))
            return false;
        request.query[name] = value;
    }
    return true;
}

const Route* find_route(const std::vector<Route>& routes, Request& request, Response& refusal) {
    std::string methods;
    for (const Route& route : routes) {
        if (!matches(route.pattern, request.path, request.parts)) continue;
        const bool reads = route.method == std::string_view("GET");
        if (request.method == route.method || (reads && request.method == "HEAD")) return &route;
        methods += (methods.empty() ? "" : ", ") + std::string(route.method);
    }
    if (methods.empty()) {
        refusal = problem_response({.status = 404, .word = "not-found", .title = "No such path"});
        return nullptr;
    }
    refusal = problem_response({.status = 405, .word = "method", .title = "Not by this method"});
    refusal.fields.emplace_back("Allow", methods);
    return nullptr;
}

}  // namespace keyscribe::verifier
