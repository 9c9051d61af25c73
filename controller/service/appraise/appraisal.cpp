// SPDX-License-Identifier: Apache-2.0
// An appraisal's own functions.
#include <algorithm>

#include "controller/service/appraise/appraise.h"

namespace keyscribe::appraise {

Verdict verdict_of(Weight worst) {
    return worst == Weight::kUnusable          ? Verdict::kUnusable
           : worst == Weight::kContraindicates ? Verdict::kContraindicated
                                               : Verdict::kAffirmed;
}

std::string Appraisal::Next::header() const { return state_header(state, kept, added); }

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
