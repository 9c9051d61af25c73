// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/operator_routes.h"

#include <algorithm>
#include <charconv>
#include <memory>

#include "controller/base/base64.h"
#include "controller/list/json_text.h"
#include "controller/service/verifier/operator_queries.h"
#include "controller/service/verifier/seen_keys.h"

namespace keyscribe::verifier {
namespace {

using nlohmann::json;

constexpr const char* kEventStream = "text/event-stream";

Response shown(const Result<json>& result) {
    return result ? json_response(*result) : problem_response(problem_of(result.error()));
}

Response answered(const Answer<json>& result) {
    return result ? json_response(*result) : problem_response(result.error());
}

Response not_understood(std::string detail) {
    return problem_response({.status = 400,
                             .word = "request",
                             .title = "The request cannot be understood",
                             .detail = std::move(detail)});
}

Response no_such(const char* what) {
    return problem_response({.status = 404,
                             .word = std::string("unknown-") + what,
                             .title = std::string("There is no such ") + what});
}

std::optional<std::int64_t> number_from_0(const std::string& text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() || value < 0)
        return std::nullopt;
    return value;
}

/// `otherwise` where there is no such parameter. Whether it is a number was looked at before.
std::int64_t number(const Request& request, const std::string& name, std::int64_t otherwise,
                    std::int64_t most = kNever) {
    return std::min(number_from_0(request.parameter(name)).value_or(otherwise), most);
}

/// A parameter that is to be a number and is none: an answer to another question would be wrong.
std::optional<std::string> wrong_number(const Request& request) {
    for (const char* name : {"since", "at", "limit", "wait"})
        if (request.query.contains(name) && !number_from_0(request.parameter(name)))
            return std::string(name) + " is no number from 0 on";
    return std::nullopt;
}

int limit_of(const Request& request) {
    return static_cast<int>(std::max<std::int64_t>(1, number(request, "limit", 1000, 10000)));
}

/// Of references that do not fit each other.
Response unusable(const char* title, const Error& error) {
    if (is_of_store(error) || is_of_statement(error)) return problem_response(problem_of(error));
    return problem_response(
        {.status = 422, .word = "reference", .title = title, .detail = to_string(error)});
}

class OperatorRoutes {
  public:
    explicit OperatorRoutes(Service& service) : service_(service), database_(*service.database) {}

    Response hosts(const Request& request) {
        return shown(list_hosts(database_, {.verdict = request.parameter("verdict"),
                                            .group = request.parameter("group"),
                                            .name = request.parameter("name"),
                                            .after = request.parameter("after"),
                                            .limit = limit_of(request)}));
    }
    Response host(const Request& request) {
        const auto found = show_host(database_, request.parts[0]);
        return found && found->is_null() ? no_such("host") : shown(found);
    }
    Response exported(const Request& request) {
        const auto found = export_host(service_, request.parts[0]);
        if (!found && found.error().where == kNothingKept)
            return problem_response({.status = 404,
                                     .word = "nothing-kept",
                                     .title = "Nothing is kept of what this host sent",
                                     .detail = found.error().what});
        return found && found->is_null() ? no_such("host") : shown(found);
    }
    Response remove(const Request& request) {
        const auto removed =
            remove_host(database_, *service_.changes, request.parts[0], request.who);
        if (!removed) return problem_response(problem_of(removed.error()));
        if (!*removed) return no_such("host");
        return {.status = 204, .type = ""};
    }
    Response keys(const Request& request) {
        if (request.query.contains("since"))
            return shown(new_keys(database_, number(request, "since", now() - 3600)));
        if (request.parameter("q").empty())
            return not_understood("q: a fingerprint or a part of a subject; or since: a time");
        return shown(find_keys(database_, request.parameter("q"), number(request, "at", 0)));
    }
    Response key(const Request& request) {
        const auto found = find_keys(database_, request.parts[0], -1);
        return found && found->empty() ? no_such("key") : shown(found);
    }
    Response changes(const Request& request) {
        const bool stream = request.field("accept").starts_with(kEventStream);
        std::int64_t since = number(request, "since", 0);
        if (const std::string& last = request.field("last-event-id"); stream && !last.empty()) {
            const auto seen = number_from_0(last);
            if (!seen) return not_understood("Last-Event-ID is no number from 0 on");
            since = std::min(*seen, kNever);
        }
        const auto found =
            list_changes(database_, since, limit_of(request), request.parameter("host"));
        if (found && stream) return events(*found);
        Response response = shown(found);
        response.wait = found && (*found)["changes"].empty();
        return response;
    }
    Response references(const Request& request) {
        const auto files = service_.references->files(request.parameter("group"));
        if (!files) return problem_response(problem_of(files.error()));
        json all = json::array();
        for (const ReferenceFile& file : *files) all.push_back(to_json(file));
        return json_response(all);
    }
    Response add_reference(const Request& request) {
        const auto file = read_reference(request);
        if (!file) return not_understood(file.error().what);
        if (auto done = service_.references->add({*file}); !done)
            return unusable("The file cannot be used", done.error());
        return json_response(to_json(*file), 201);
    }
    Response try_reference(const Request& request) {
        const auto file = read_reference(request);
        if (!file) return not_understood(file.error().what);
        return shown(try_references(service_, {*file}, {}, std::max(now(), file->from)));
    }
    Response remove_reference(const Request& request) {
        const auto removed = service_.references->remove(request.parts[0]);
        if (!removed) return unusable("The others cannot be used without it", removed.error());
        if (!*removed) return no_such("reference");
        return {.status = 204, .type = ""};
    }
    Response enrolments(const Request& request) {
        return answered(service_.enrolments->list(request.parameter("state")));
    }
    Response decide(const Request& request) {
        const json body = json::parse(request.body, nullptr, false);
        if (!body.is_object() || !body.contains("accept") || !body["accept"].is_boolean())
            return not_understood("accept is true or false");
        const bool has_reason = body.contains("reason") && body["reason"].is_string();
        return answered(service_.enrolments->decide(
            request.parts[0], body["accept"].get<bool>(), request.who,
            has_reason ? body["reason"].get<std::string>() : std::string()));
    }

  private:
    static Response events(const json& found) {
        Response response{.type = kEventStream, .stream = true};
        for (const json& change : found["changes"])
            response.body +=
                "id: " + change["number"].dump() + "\ndata: " + list::json_text(change) + "\n\n";
        response.last_event = found["next"].dump();
        return response;
    }
    static Result<ReferenceFile> read_reference(const Request& request) {
        const json body = json::parse(request.body, nullptr, false);
        if (!body.is_object()) return fail("not a JSON object");
        ReferenceFile file{.id = random_id(), .who = request.who, .added = now()};
        std::string content;
        for (const auto& [name, to] :
             {std::pair{"group", &file.group}, std::pair{"kind", &file.kind},
              std::pair{"name", &file.name}, std::pair{"keyring", &file.keyring},
              std::pair{"why", &file.why}, std::pair{"content", &content}}) {
            if (!body.contains(name)) continue;
            if (!body[name].is_string()) return fail(std::string(name) + " is no text");
            *to = body[name].get<std::string>();
        }
        for (const auto& [name, to] :
             {std::pair{"from", &file.from}, std::pair{"until", &file.until}}) {
            if (!body.contains(name)) continue;
            if (!body[name].is_number_integer())
                return fail(std::string(name) + " is no number of seconds since 1970");
            *to = body[name].get<std::int64_t>();
        }
        auto bytes = from_base64(content);
        if (file.group.empty() || file.name.empty() || !bytes || bytes->empty())
            return fail("group, name and content (Base64) are needed");
        file.content = std::move(*bytes);
        return file;
    }

    Service& service_;
    Database& database_;
};

}  // namespace

std::vector<Route> operator_routes(Service& service) {
    const auto routes = std::make_shared<OperatorRoutes>(service);
    const auto to = [routes](Response (OperatorRoutes::*handler)(const Request&)) {
        return [routes, handler](const Request& request) {
            const auto wrong = wrong_number(request);
            return wrong ? not_understood(*wrong) : ((*routes).*handler)(request);
        };
    };
    using R = OperatorRoutes;
    return {
        {"GET", "/v1/hosts", Role::kReader, to(&R::hosts)},
        {"GET", "/v1/hosts/{host}", Role::kReader, to(&R::host)},
        {"GET", "/v1/hosts/{host}/export", Role::kReader, to(&R::exported)},
        {"DELETE", "/v1/hosts/{host}", Role::kOperator, to(&R::remove)},
        {"GET", "/v1/keys", Role::kReader, to(&R::keys)},
        {"GET", "/v1/keys/{key}", Role::kReader, to(&R::key)},
        {"GET", "/v1/changes", Role::kReader, to(&R::changes)},
        {"GET", "/v1/references", Role::kReader, to(&R::references)},
        {"POST", "/v1/references", Role::kOperator, to(&R::add_reference)},
        {"POST", "/v1/references/try", Role::kReader, to(&R::try_reference)},
        {"DELETE", "/v1/references/{reference}", Role::kOperator, to(&R::remove_reference)},
        {"GET", "/v1/enrolments", Role::kReader, to(&R::enrolments)},
        {"POST", "/v1/enrolments/{enrolment}/decision", Role::kOperator, to(&R::decide)},
    };
}

}  // namespace keyscribe::verifier
