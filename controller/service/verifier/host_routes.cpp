// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/host_routes.h"

#include <algorithm>
#include <memory>

#include "controller/base/base64.h"
#include "controller/service/verifier/ear.h"
#include "controller/service/verifier/evidence_record.h"
#include "controller/service/verifier/sessions.h"

namespace keyscribe::verifier {
namespace {

using nlohmann::json;

constexpr const char* kSessionType = "application/vnd.veraison.challenge-response-session+json";
constexpr const char* kSessionPath = "/challenge-response/v1/session/";

Response answer(const Answer<json>& result, unsigned status = 200) {
    return result ? json_response(*result, status) : problem_response(result.error());
}

Response bad_request(std::string detail) {
    return problem_response({.status = 400,
                             .word = "request",
                             .title = "The request cannot be understood",
                             .detail = std::move(detail)});
}

Response unknown_session() {
    return problem_response({.status = 404,
                             .word = "unknown-session",
                             .title = "There is no such session, or it has expired"});
}

json session_json(const NonceMaker& nonces, Bytes nonce, const char* status) {
    return {{"nonce", to_base64url(nonce)},
            {"expiry", time_text((*nonces.time_of(nonce) + kNonceLife) / 1000)},
            {"accept", accepted_types()},
            {"status", status}};
}

Response session_response(const json& session, unsigned status) {
    Response response = json_response(session, status);
    response.type = kSessionType;
    return response;
}

class HostRoutes {
  public:
    explicit HostRoutes(Service& service) : service_(service) {}

    Response enrol(const Request& request) {
        const json body = json::parse(request.body, nullptr, false);
        const auto begun = service_.enrolments->begin(body);
        Response response = answer(begun, 201);
        if (begun)
            response.fields.emplace_back("Location",
                                         "/v1/enrolments/" + (*begun)["id"].get<std::string>());
        return response;
    }

    Response activate(const Request& request) {
        const json body = json::parse(request.body, nullptr, false);
        if (!body.is_object() || !body.contains("credential") || !body["credential"].is_string())
            return bad_request("credential is no text");
        const auto credential = from_base64(body["credential"].get_ref<const std::string&>());
        if (!credential) return bad_request("credential is not Base64");
        return answer(service_.enrolments->activate(request.parts[0], *credential));
    }

    Response new_session(const Request& request) {
        if (request.query.contains("nonce"))
            return bad_request("this verifier chooses the nonce: it alone knows that it is fresh");
        if (request.query.contains("nonceSize") && request.parameter("nonceSize") != "32")
            return bad_request("nonceSize is 32");
        const Nonce nonce = service_.nonces->make(now_ms());
        json session = session_json(*service_.nonces, nonce, "waiting");
        std::string known;
        if (const std::string& id = request.parameter("host"); !id.empty()) {
            const auto host = find_host(*service_.database, id);
            if (!host) return problem_response(problem_of(host.error()));
            if (*host) known = (*host)->id;
            if (*host && (*host)->list_bytes != 0)
                session["keyscribe"] = {{"boot_id", (*host)->boot_id},
                                        {"since", (*host)->entries},
                                        {"ima_since", (*host)->ima_entries}};
        }
        Response response = session_response(session, 201);
        response.fields.emplace_back("Location", kSessionPath + session_id(nonce, known));
        return response;
    }

    Response evidence(const Request& request) {
        const std::string type = request.media_type();
        if (std::ranges::find(accepted_types(), type) == accepted_types().end()) {
            Response response = problem_response(
                {.status = 415, .word = "media-type", .title = "Not a media type of evidence"});
            std::string all;
            for (const std::string& one : accepted_types()) all += (all.empty() ? "" : ", ") + one;
            response.fields.emplace_back("Accept", all);
            return response;
        }
        const auto session = find(request);
        if (!session) return unknown_session();
        std::vector<std::uint8_t> storage;
        const auto unwrapped = unwrap_evidence(type, as_bytes(request.body), storage);
        if (!unwrapped)
            return problem_response({.status = 400,
                                     .word = "evidence-malformed",
                                     .title = "Not evidence",
                                     .detail = to_string(unwrapped.error())});
        const auto host = service_.visits->take(session->nonce, *unwrapped);
        if (!host) return problem_response(host.error());
        const std::string result = service_.signer.sign(
            *host,
            {.nonce = to_base64url(session->nonce), .with_older_names = wants_older(request)},
            now());
        // The verdict is in force. Without the result GET says "waiting", which is what it knows.
        if (session->host != host->id) (void)keep_result(*service_.database, *session, result);
        return complete(*session, result);
    }

    Response show_session(const Request& request) {
        const auto session = find(request);
        if (!session) return unknown_session();
        const auto result =
            result_of(*service_.database, service_.signer, *session, wants_older(request));
        if (!result) return problem_response(problem_of(result.error()));
        if (*result) return complete(*session, **result);
        return session_response(session_json(*service_.nonces, session->nonce, "waiting"), 200);
    }

    Response end_session(const Request& request) {
        const auto session = find(request);
        if (!session) return unknown_session();
        if (auto done = verifier::end_session(*service_.database, *session); !done)
            return problem_response(problem_of(done.error()));
        return {.status = 204, .type = ""};
    }

    Response result(const Request& request) {
        const auto host = find_host(*service_.database, request.parts[0]);
        if (!host) return problem_response(problem_of(host.error()));
        if (!*host)
            return problem_response(
                {.status = 404, .word = "unknown-host", .title = "There is no such host"});
        // RFC 9711, 10.2: the media type's parameter names the profile.
        const bool older = wants_older(request);
        return {.type = std::string("application/eat+jwt; eat_profile=\"") +
                        (older ? kOlderEarProfile : kEarProfile) + '"',
                .body = service_.signer.sign(**host, {.with_older_names = older}, now())};
    }

  private:
    std::optional<Session> find(const Request& request) const {
        return find_session(*service_.nonces, request.parts[0], now_ms());
    }
    Response complete(const Session& session, const std::string& result) const {
        json body = session_json(*service_.nonces, session.nonce, "complete");
        body["result"] = result;
        return session_response(body, 200);
    }
    static bool wants_older(const Request& request) {
        return request.parameter("profile") == kOlderEarProfile;
    }
    Service& service_;
};

}  // namespace

std::vector<Route> host_routes(Service& service) {
    const auto routes = std::make_shared<HostRoutes>(service);
    const auto to = [routes](Response (HostRoutes::*handler)(const Request&)) {
        return [routes, handler](const Request& request) { return ((*routes).*handler)(request); };
    };
    const Role results = service.settings.readers.results_for_all ? Role::kNobody : Role::kReader;
    return {
        {"POST", "/v1/enrolments", Role::kNobody, to(&HostRoutes::enrol)},
        {"POST", "/v1/enrolments/{enrolment}/activation", Role::kNobody, to(&HostRoutes::activate)},
        {"GET", "/v1/enrolments/{enrolment}", Role::kNobody,
         [&service](const Request& request) {
             return answer(service.enrolments->show(request.parts[0]));
         }},
        {"POST", "/challenge-response/v1/newSession", Role::kNobody, to(&HostRoutes::new_session)},
        {"POST", "/challenge-response/v1/session/{session}", Role::kNobody,
         to(&HostRoutes::evidence)},
        {"GET", "/challenge-response/v1/session/{session}", Role::kNobody,
         to(&HostRoutes::show_session)},
        {"DELETE", "/challenge-response/v1/session/{session}", Role::kNobody,
         to(&HostRoutes::end_session)},
        {"GET", "/v1/hosts/{host}/result", results, to(&HostRoutes::result)},
        {"GET", "/.well-known/jwks.json", Role::kNobody,
         [&service](const Request&) { return json_response(service.signer.jwks()); }},
    };
}

}  // namespace keyscribe::verifier
