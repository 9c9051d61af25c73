// SPDX-License-Identifier: Apache-2.0
// An appraisal's own functions.
#include <algorithm>

#include "controller/service/appraise/appraise.h"
#include "controller/service/appraise/list_extract.h"

namespace keyscribe::appraise {

Verdict verdict_of(Weight worst) {
    return worst == Weight::kUnusable          ? Verdict::kUnusable
           : worst == Weight::kContraindicates ? Verdict::kContraindicated
                                               : Verdict::kAffirmed;
}

std::string Appraisal::Next::header() const {
    return extract.empty() ? state_header(state, kept, added) : state_header(state);
}

std::optional<std::vector<std::uint8_t>> Appraisal::Next::snapshot(Bytes nonce) const {
    std::vector<std::uint8_t> list;
    if (extract.empty()) {
        list.assign(kept.begin(), kept.end());
        list.insert(list.end(), added.begin(), added.end());
    }
    const auto made = make_extract({.former = extract,
                                    .list = extract.empty() ? Bytes(list) : added,
                                    .first_entry = before,
                                    .pcr = state.pcr,
                                    .nonce = nonce});
    if (!made) return std::nullopt;
    const std::string header = snapshot_header(state, *made);
    std::vector<std::uint8_t> bytes(header.begin(), header.end());
    bytes.insert(bytes.end(), made->begin(), made->end());
    return bytes;
}

std::string_view name_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::kAffirmed:
            return "affirmed";
        case Verdict::kContraindicated:
            return "contraindicated";
        case Verdict::kUnusable:
            break;
    }
    return "unusable";
}

void add(Appraisal& appraisal, const Code& code, std::string sentence) {
    appraisal.findings.push_back({code.name, code.weight, std::move(sentence), {}, {}});
    std::ranges::stable_sort(appraisal.findings, std::greater(), &Finding::weight);
    appraisal.verdict = std::max(appraisal.verdict, verdict_of(code.weight));
}

}  // namespace keyscribe::appraise
