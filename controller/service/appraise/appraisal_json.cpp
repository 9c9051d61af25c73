// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "controller/keyrings/keyring_model.h"
#include "controller/list/json_text.h"
#include "controller/service/appraise/appraise.h"
#include "controller/service/appraise/key_source.h"

namespace keyscribe::appraise {
namespace {

/// Keys that are named; the rest is counted. A .blacklist has some 500 today.
constexpr std::size_t kMaxSources = 2000;

/// A line for each key that stands in a keyring of the kernel's (a name with a dot).
nlohmann::json sources_of(const Appraisal& appraisal, std::size_t& left_out) {
    nlohmann::json sources = nlohmann::json::array();
    const keyrings::KeyringModel& model = *appraisal.model;
    for (keyrings::LinkId id = 0; id < model.links(); ++id) {
        const keyrings::Link& link = model.link(id);
        if (link.keyring == keyrings::kNone || !link.stands) continue;
        const keyrings::Key& key = model.key(link.key);
        const std::string& ring = model.key(link.keyring).description;
        if (!ring.starts_with('.') || key.is_keyring()) continue;
        if (sources.size() == kMaxSources) {
            ++left_out;
            continue;
        }
        sources.push_back({{"keyring", ring},
                           {"key", key.description},
                           {"source", source_line(model, id, appraisal.verdicts[id].source)}});
    }
    return sources;
}

}  // namespace

std::string to_json(const Appraisal& appraisal, std::string_view file) {
    using nlohmann::json;
    json findings = json::array();
    for (const Finding& finding : appraisal.findings) {
        json one = {{"code", finding.code},
                    {"weight", finding.weight == Weight::kNote              ? "note"
                               : finding.weight == Weight::kContraindicates ? "contraindicates"
                                                                            : "unusable"},
                    {"sentence", finding.sentence}};
        if (!finding.list.empty()) one["list"] = finding.list;
        if (finding.entry) one["entry"] = *finding.entry;
        findings.push_back(std::move(one));
    }
    json result = {
        {"verdict", name_of(appraisal.verdict)},
        {"time", appraisal.time},
        {"file", file},
        {"findings", std::move(findings)},
        {"attestation_key",
         {{"sha256", appraisal.key}, {"name", appraisal.key_name}, {"file", appraisal.key_file}}},
        {"boot_id", appraisal.boot_id},
        {"kernel", appraisal.kernel},
        {"software", appraisal.software},
        {"kernel_image", appraisal.kernel_image},
        {"policy_digest", appraisal.policy_digest},
        {"entries", appraisal.entries},
        {"entries_beyond", appraisal.entries_beyond},
        {"keys", appraisal.keys},
        {"ima_entries", appraisal.ima_entries},
        {"ima_signatures", appraisal.ima_signatures}};
    if (appraisal.model) {
        std::size_t left_out = 0;
        result["sources"] = sources_of(appraisal, left_out);
        if (left_out != 0) result["sources_left_out"] = left_out;
    }
    if (appraisal.claims)
        result["tpm"] = {{"reset_count", appraisal.claims->reset_count},
                         {"restart_count", appraisal.claims->restart_count},
                         {"clock", appraisal.claims->clock},
                         {"clock_is_safe", appraisal.claims->clock_is_safe},
                         {"firmware", appraisal.claims->firmware}};
    return list::json_text(result);
}

}  // namespace keyscribe::appraise
