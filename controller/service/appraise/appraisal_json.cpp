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

/// Appends an array with an object for each key that stands in a keyring of the kernel's (a name
/// with a dot), as text: to build and write a tree of some 400 took a quarter of the time in which
/// a verifier judges a host again.
void append_sources(std::string& to, const Appraisal& appraisal, std::size_t& left_out) {
    std::size_t told = 0;
    const keyrings::KeyringModel& model = *appraisal.model;
    to += '[';
    for (keyrings::LinkId id = 0; id < model.links(); ++id) {
        const keyrings::Link& link = model.link(id);
        if (link.keyring == keyrings::kNone || !link.stands) continue;
        const keyrings::Key& key = model.key(link.key);
        const std::string& ring = model.key(link.keyring).description;
        if (!ring.starts_with('.') || key.is_keyring()) continue;
        if (told == kMaxSources) {
            ++left_out;
            continue;
        }
        to += told++ == 0 ? R"({"keyring":)" : R"(,{"keyring":)";
        list::append_json_text(to, ring);
        to += R"(,"key":)";
        list::append_json_text(to, key.description);
        to += R"(,"source":)";
        list::append_json_text(to, source_line(model, id, appraisal.verdicts[id].source));
        to += '}';
    }
    to += ']';
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
    if (appraisal.claims)
        result["tpm"] = {{"reset_count", appraisal.claims->reset_count},
                         {"restart_count", appraisal.claims->restart_count},
                         {"clock", appraisal.claims->clock},
                         {"clock_is_safe", appraisal.claims->clock_is_safe},
                         {"firmware", appraisal.claims->firmware}};
    std::string text = list::json_text(result);
    if (!appraisal.model) return text;
    std::size_t left_out = 0;
    text.back() = ',';  // the object goes on
    text += R"("sources":)";
    append_sources(text, appraisal, left_out);
    if (left_out != 0) text += R"(,"sources_left_out":)" + std::to_string(left_out);
    return text += '}';
}

}  // namespace keyscribe::appraise
