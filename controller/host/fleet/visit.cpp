// SPDX-License-Identifier: Apache-2.0
#include "controller/host/fleet/visit.h"

#include <algorithm>

#include "controller/base/base64.h"
#include "controller/host/fleet/json_member.h"

namespace keyscribe::fleet {
namespace {

using nlohmann::json;

constexpr std::string_view kNewSession = "/challenge-response/v1/newSession?nonceSize=32";
constexpr std::size_t kShortestNonce = 16, kLongestNonce = 64;  // bytes; a TPM takes no more
constexpr std::size_t kLongestLocation = 1024;

struct Session {
    std::string location;
    Challenged challenged;
};

/// Where the session is: below the verifier's own address, whatever it says.
bool is_route(std::string_view location) {
    return location.starts_with('/') && !location.starts_with("//") &&
           location.size() <= kLongestLocation &&
           std::ranges::all_of(location, [](char letter) { return letter > ' ' && letter < 0x7f; });
}

Answered<Session> new_session(Connection& connection, const Enrolment& enrolment,
                              const std::string& boot_id) {
    const std::string url = enrolment.verifier.url();
    const Request request{.method = "POST",
                          .target = std::string(kNewSession) + "&host=" + enrolment.host};
    const auto answer = connection.exchange(request);
    if (!answer) return without_answer(answer.error());
    if (answer->status != 201) return std::unexpected(problem_of(*answer, url + request.target));
    const auto refuse = [&](const char* what) {
        return without_answer({what, url + request.target, "is this keyscribe-verifier?"});
    };
    const json told = json::parse(answer->body, nullptr, false);
    if (!told.is_object()) return refuse("the answer is no session");
    Session session;
    session.location = answer->location;
    // As seen from outside, where something before the verifier takes a part of the path away.
    if (const std::string& path = enrolment.verifier.path;
        !path.empty() && session.location.starts_with(path + '/'))
        session.location.erase(0, path.size());
    if (!is_route(session.location)) return refuse("the session has no address");
    const auto nonce = told.find("nonce");
    auto bytes = nonce != told.end() && nonce->is_string()
                     ? from_base64url(nonce->get_ref<const std::string&>())
                     : std::nullopt;
    if (!bytes || bytes->size() < kShortestNonce || bytes->size() > kLongestNonce)
        return refuse("the session has no nonce");
    session.challenged.nonce = std::move(*bytes);
    const auto accept = told.find("accept");
    if (accept != told.end() && accept->is_array() &&
        std::ranges::find(*accept, json(kEvidenceType)) == accept->end())
        return refuse("the verifier does not take Keyscribe's evidence");
    const auto kept = told.find("keyscribe");
    if (kept != told.end() && kept->is_object() && kept->value("boot_id", json()) == boot_id) {
        session.challenged.since = number_member(*kept, "since");
        session.challenged.ima_since = number_member(*kept, "ima_since");
    }
    return session;
}

/// Sends evidence for a session.
Answered<Visit> send(Connection& connection, const Enrolment& enrolment, const Session& session,
                     std::vector<std::uint8_t> evidence) {
    Visit done{.sent = evidence.size(),
               .whole = session.challenged.since == 0 && session.challenged.ima_since == 0};
    const auto answer = ask(connection,
                            {.method = "POST",
                             .target = session.location,
                             .content_type = kEvidenceType,
                             .body = std::string(as_text(evidence))},
                            200, enrolment.verifier.url());
    if (!answer) return std::unexpected(answer.error());
    const auto result = answer->find("result");
    if (result == answer->end() || !result->is_string())
        return without_answer({"the verifier's answer has no result", enrolment.verifier.url()});
    done.result = result->get<std::string>();
    const auto verdict = read_result(done.result, session.challenged.nonce);
    if (!verdict) return without_answer(verdict.error());
    done.verdict = *verdict;
    return done;
}

}  // namespace

Answered<Visit> visit(Connection& connection, const Enrolment& enrolment,
                      const std::string& boot_id, const Collect& collect) {
    auto session = new_session(connection, enrolment, boot_id);
    if (!session) return std::unexpected(session.error());
    Challenged& challenged = session->challenged;
    auto evidence = collect(challenged);
    if (!evidence && (challenged.since != 0 || challenged.ima_since != 0)) {
        challenged.since = challenged.ima_since = 0;
        evidence = collect(challenged);
    }
    if (!evidence) return without_answer(evidence.error());
    auto done = send(connection, enrolment, *session, std::move(*evidence));
    if (done || done.error().status != 409 || done.error().word != "since") return done;
    // It has not what it said: a nonce is for one piece of evidence, so a new one.
    session = new_session(connection, enrolment, "");
    if (!session) return std::unexpected(session.error());
    evidence = collect(session->challenged);
    if (!evidence) return without_answer(evidence.error());
    return send(connection, enrolment, *session, std::move(*evidence));
}

}  // namespace keyscribe::fleet
