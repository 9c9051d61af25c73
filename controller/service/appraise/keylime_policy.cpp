// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/keylime_policy.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "controller/list/json_text.h"
#include "controller/list/template_data.h"
#include "controller/service/appraise/known_names.h"

namespace keyscribe::appraise {
namespace {

using nlohmann::json;

/// Push mode looks at no list of a policy that is said to be of another generator than the last.
constexpr int kGenerator = 3;

/// What the text list writes as it is; Keylime hashes what it reads there.
bool is_plain(const std::string& name) {
    return !name.empty() && std::ranges::all_of(name, [](char letter) {
        return letter > ' ' && letter < 0x7f && letter != '\\';
    });
}

Names known_keyrings(const ReferenceValues& references, const AppraisalPolicy& policy) {
    Names names;
    std::ranges::copy_if(policy.keyrings.watched, std::back_inserter(names),
                         [](const std::string& name) { return !is_glob(name); });
    for (const Reference& reference : references.all())
        if (!reference.keyring.empty()) names.push_back(reference.keyring);
    return names;
}

/// Not those that tell of something wrong, and not keyscribe:batch, in which Keylime would see no
/// key: they fail for being on no list.
std::string excluded_records(const AppraisalPolicy& policy) {
    std::string kinds =
        "start|policy|baseline|baseline-begin|baseline-end|create|update|instantiate|reject|link|"
        "unlink|move|clear|restrict|timeout|setperm|chown|destroy|canary";
    if (policy.keys.allow_revoked) kinds += "|revoke|invalidate";
    if (policy.host.allow_restart) kinds += "|restart";
    return "^keyscribe:(" + kinds + ")$";
}

}  // namespace

Result<std::string> keylime_policy(const ReferenceValues& references, const AppraisalPolicy& policy,
                                   Names keyrings) {
    if (keyrings.empty()) keyrings = known_keyrings(references, policy);
    if (keyrings.empty())
        return fail("no keyring is named", "the reference values",
                    "give --keyring, or an appraisal policy that watches keyrings by name");
    const Names known = known_keyrings(references, policy);
    json digests = json::object();
    for (const std::string& keyring : keyrings) {
        if (const auto problem = keyring_problem(keyring, false, known))
            return fail(problem->what, keyring, problem->hint);
        const std::string written = list::ima_event_name(keyring);
        if (!is_plain(written))
            return fail("Keylime cannot read this keyring's name in a list", keyring,
                        "it takes printable ASCII without backslashes");
        json of_keyring = json::array();
        for (const Reference& reference : references.all())
            if (reference.keyring.empty() || reference.keyring == keyring)
                of_keyring.push_back(to_hex(reference.digest));
        if (of_keyring.empty()) return fail("no certificate may stand in this keyring", keyring);
        digests[written] = std::move(of_keyring);
    }
    json ignored = json::array();
    for (const std::string& name : policy.keyrings.exempt)
        if (!is_glob(name)) ignored.push_back(list::ima_event_name(name));
    const json runtime_policy = {
        {"meta", {{"version", 1}, {"generator", kGenerator}}},
        {"release", 0},
        {"digests", json::object()},
        {"excludes", json::array({excluded_records(policy)})},
        {"keyrings", std::move(digests)},
        // Of the template digests, which are SHA-1 in our list whatever the banks.
        {"ima",
         {{"ignored_keyrings", std::move(ignored)},
          {"log_hash_alg", "sha1"},
          {"dm_policy", nullptr}}},
        {"ima-buf", json::object()},
        {"verification-keys", ""},
    };
    return list::json_text(runtime_policy, 2) + '\n';
}

}  // namespace keyscribe::appraise
