// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "controller/list/json_text.h"
#include "controller/service/appraise/appraise.h"

namespace keyscribe::appraise {

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
        {"file", file},
        {"findings", std::move(findings)},
        {"attestation_key",
         {{"sha256", appraisal.key}, {"name", appraisal.key_name}, {"file", appraisal.key_file}}},
        {"boot_id", appraisal.boot_id},
        {"kernel", appraisal.kernel},
        {"software", appraisal.software},
        {"policy_digest", appraisal.policy_digest},
        {"entries", appraisal.entries},
        {"entries_beyond", appraisal.entries_beyond},
        {"keys", appraisal.keys},
        {"ima_entries", appraisal.ima_entries},
        {"ima_signatures", appraisal.ima_signatures}};
    if (appraisal.claims)
        result["tpm"] = {{"reset_count", appraisal.claims->reset_count},
                         {"restart_count", appraisal.claims->restart_count},
                         {"clock", appraisal.claims->clock},
                         {"clock_is_safe", appraisal.claims->clock_is_safe},
                         {"firmware", appraisal.claims->firmware}};
    return list::json_text(result);
}

}  // namespace keyscribe::appraise
