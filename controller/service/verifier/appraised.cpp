// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/appraised.h"

namespace keyscribe::verifier {

std::string summary_of(const appraise::Appraisal& appraisal, const std::string& name) {
    return to_json(appraisal, name);
}

nlohmann::json reasons_of(const appraise::Appraisal& appraisal) {
    constexpr std::size_t kMost = 20;
    nlohmann::json reasons = nlohmann::json::array();
    for (const appraise::Finding& finding : appraisal.findings) {
        if (finding.weight == appraise::Weight::kNote || reasons.size() == kMost) continue;
        reasons.push_back({{"code", finding.code}, {"sentence", finding.sentence}});
    }
    return reasons;
}

std::vector<std::uint8_t> state_file(const Snapshot& snapshot) {
    std::vector<std::uint8_t> file(snapshot.state.begin(), snapshot.state.end());
    file.reserve(file.size() + snapshot.list.size() + snapshot.ima.size());
    file.insert(file.end(), snapshot.list.begin(), snapshot.list.end());
    file.insert(file.end(), snapshot.ima.begin(), snapshot.ima.end());
    return file;
}

appraise::PcrBanks before_kexec_of(const Snapshot& whole) {
    auto state = appraise::parse_state(state_file(whole));
    return state ? std::move(state->before_kexec) : appraise::PcrBanks();
}

std::optional<appraise::KeptState> state_of(const Snapshot& snapshot, const HostRow& host) {
    if (snapshot.records.empty()) return std::nullopt;
    auto state = appraise::parse_snapshot(snapshot.records, snapshot.ima);
    if (!state || state->entries != host.entries || state->bytes != host.list_bytes)
        return std::nullopt;
    return std::move(*state);
}

}  // namespace keyscribe::verifier
