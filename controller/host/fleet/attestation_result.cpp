// SPDX-License-Identifier: Apache-2.0
#include "controller/host/fleet/attestation_result.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "controller/base/base64.h"

namespace keyscribe::fleet {
namespace {

using nlohmann::json;

/// draft-ietf-rats-ear-03, 3.2: the tiers, by their names in JSON. A warning is no affirmation.
Verdict verdict_of(const json& status) {
    if (status == "affirming") return Verdict::kAffirmed;
    if (status == "warning" || status == "contraindicated") return Verdict::kContraindicated;
    return Verdict::kNone;
}

}  // namespace

std::string_view name_of(Verdict verdict) {
    constexpr std::string_view kNames[] = {"affirmed", "contraindicated", "none"};
    return kNames[static_cast<std::size_t>(verdict)];
}

Result<Verdict> read_result(std::string_view token, Bytes nonce) {
    const auto refuse = [](const char* what) {
        return fail(what, "result", "is the verifier as new as this host?");
    };
    const auto first = token.find('.');
    const auto second = first == token.npos ? token.npos : token.find('.', first + 1);
    if (second == token.npos) return refuse("not a JSON Web Token");
    const auto payload = from_base64url(token.substr(first + 1, second - first - 1));
    const json claims =
        payload ? json::parse(as_text(*payload), nullptr, false) : json(json::value_t::discarded);
    if (!claims.is_object()) return refuse("not a JSON Web Token");
    if (claims.contains("eat_nonce") && claims["eat_nonce"] != to_base64url(nonce))
        return refuse("a result over another nonce");
    const auto submods = claims.find("submods");
    if (submods == claims.end() || !submods->is_object() || submods->empty())
        return refuse("a result without an appraisal");
    Verdict worst = Verdict::kAffirmed;
    for (const json& appraisal : *submods) {
        const auto status = appraisal.is_object() ? appraisal.find("ear_status") : appraisal.end();
        if (!appraisal.is_object() || status == appraisal.end())
            return refuse("a result without a status");
        worst = std::max(worst, verdict_of(*status));
    }
    return worst;
}

}  // namespace keyscribe::fleet
