// SPDX-License-Identifier: Apache-2.0
// Requests and their answers, as the verifier's routes see them.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "controller/service/verifier/problem.h"

namespace keyscribe::verifier {

enum class Role { kNobody, kReader, kOperator };

struct Request {
    std::string method, path;                   ///< without the query
    std::map<std::string, std::string> query;   ///< decoded
    std::map<std::string, std::string> fields;  ///< names in lower case
    std::string body;
    std::string certificate;         ///< the subject of a TLS client certificate of an operator
    std::vector<std::string> parts;  ///< what a route's pattern has braces for
    Role role = Role::kNobody;
    std::string who;  ///< that asks: a token's label, or the certificate's subject

    /// Empty where there is no such field or parameter.
    const std::string& field(const std::string& name) const;
    const std::string& parameter(const std::string& name) const;
    /// The media type, in lower case, without parameters.
    std::string media_type() const;
    /// Whether it comes from a page of this service or from no page, as the browser says:
    /// Sec-Fetch-Site (W3C Fetch Metadata) and Origin (RFC 6454), where it sends them.
    bool is_of_this_site() const;
};

struct Response {
    unsigned status = 200;
    std::string type = "application/json";
    std::string body;
    std::vector<std::pair<std::string, std::string>> fields;
    /// There is nothing yet, and the client would wait: the server asks again each second as long
    /// as it says so.
    bool wait = false;
    /// The body is server-sent events, and more are asked for each second: with the id of the last
    /// one in the field "last-event-id".
    bool stream = false;
    std::string last_event;
};

Response json_response(const nlohmann::json& body, unsigned status = 200);
Response problem_response(const Problem& problem);

/// The path and the query of a request's target. False: not in origin form, with a bad escape, or
/// with what is no UTF-8.
bool parse_target(std::string_view target, Request& request);

struct Route {
    const char* method;
    const char* pattern;  ///< "/v1/hosts/{host}/result"
    Role role;            ///< the least that may
    std::function<Response(const Request&)> handle;
};

/// Finds the route and fills `parts`. Nothing: then `refusal` says why.
const Route* find_route(const std::vector<Route>& routes, Request& request, Response& refusal);

}  // namespace keyscribe::verifier
