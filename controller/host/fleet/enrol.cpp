// SPDX-License-Identifier: Apache-2.0
#include "controller/host/fleet/enrol.h"

#include <algorithm>

#include "controller/base/base64.h"
#include "controller/host/fleet/json_member.h"
#include "controller/list/json_text.h"

namespace keyscribe::fleet {
namespace {

using nlohmann::json;

constexpr std::string_view kRoute = "/v1/enrolments";
constexpr std::size_t kLongestName = 253;  // of a host: RFC 1035, 2.3.4
constexpr std::size_t kLongestId = 128;
constexpr std::size_t kHostDigits = 32;
constexpr std::size_t kLongestReason = 1000;
/// tpm2-tools, lib/files.c: what begins a file with a credential.
constexpr std::uint8_t kCredentialHeader[] = {0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, 1};

bool is_id(std::string_view text) {
    return text.size() <= kLongestId && is_name(text) && text.find('.') == text.npos;
}

bool is_host_id(std::string_view text) {
    return text.size() == kHostDigits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

std::unexpected<Problem> not_understood(const Verifier& verifier, const char* what) {
    return without_answer({std::string("the verifier's answer has no ") + what,
                           verifier.url() + std::string(kRoute), "is this keyscribe-verifier?"});
}

Answered<EnrolmentState> state_of(const Answered<json>& answer, const Verifier& verifier) {
    if (!answer) return std::unexpected(answer.error());
    EnrolmentState state{.state = text_member(*answer, "state"),
                         .host = text_member(*answer, "host"),
                         .reason = text_member(*answer, "reason").substr(0, kLongestReason)};
    constexpr std::string_view kStates[] = {"challenged", "waiting", "accepted", "refused"};
    if (std::ranges::find(kStates, state.state) == std::end(kStates))
        return not_understood(verifier, "state that is known here");
    if (!is_host_id(state.host)) return not_understood(verifier, "host");
    return state;
}

}  // namespace

bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= kLongestName &&
           std::ranges::all_of(name, [](char letter) {
               return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                      (letter >= '0' && letter <= '9') || letter == '.' || letter == '_' ||
                      letter == '-';
           });
}

Answered<Challenge> begin_enrolment(Connection& connection, const Verifier& verifier,
                                    const std::string& secret, const Identity& identity) {
    json ek = {{"public", to_base64(identity.ek_public)}};
    if (identity.ek_certificate) ek["certificate"] = to_base64(*identity.ek_certificate);
    for (const auto& one : identity.ek_chain) ek["chain"].push_back(to_base64(one));
    const json asked = {{"token", secret},
                        {"name", identity.name},
                        {"ek", std::move(ek)},
                        {"ak", {{"public", to_base64(identity.ak_public)}}}};
    const auto answer = ask(connection,
                            {.method = "POST",
                             .target = std::string(kRoute),
                             .content_type = "application/json",
                             .body = list::json_text(asked)},
                            201, verifier.url());
    if (!answer) return std::unexpected(answer.error());
    Challenge challenge{.id = text_member(*answer, "id"),
                        .credential = {std::begin(kCredentialHeader), std::end(kCredentialHeader)}};
    if (!is_id(challenge.id)) return not_understood(verifier, "id");
    // TPM2B_ID_OBJECT, TPM2B_ENCRYPTED_SECRET
    for (const char* part : {"credential", "secret"}) {
        const auto bytes = from_base64(text_member(*answer, part));
        if (!bytes || bytes->empty()) return not_understood(verifier, "credential");
        challenge.credential.insert(challenge.credential.end(), bytes->begin(), bytes->end());
    }
    return challenge;
}

Answered<EnrolmentState> activate(Connection& connection, const Verifier& verifier,
                                  const std::string& id, Bytes secret) {
    return state_of(ask(connection,
                        {.method = "POST",
                         .target = std::string(kRoute) + '/' + id + "/activation",
                         .content_type = "application/json",
                         .body = list::json_text(json{{"credential", to_base64(secret)}})},
                        200, verifier.url()),
                    verifier);
}

Answered<EnrolmentState> enrolment_state(Connection& connection, const Verifier& verifier,
                                         const std::string& id) {
    return state_of(
        ask(connection, {.target = std::string(kRoute) + '/' + id}, 200, verifier.url()), verifier);
}

}  // namespace keyscribe::fleet
