// SPDX-License-Identifier: Apache-2.0
// The page's sections, a file each.
#pragma once

#include <map>
#include <vector>

#include "controller/service/report/html.h"
#include "controller/service/report/key_view.h"
#include "controller/service/report/page.h"
#include "controller/service/report/signers.h"

namespace keyscribe::report {

/// What all sections draw on.
struct Context {
    const Input& input;
    const Story* story = nullptr;  ///< null: unusable evidence, of which nothing is told
    const SignerGraph* signers = nullptr;
    /// By the entry of Keyscribe's list that they stem from: indices into the appraisal's findings.
    std::map<std::uint64_t, std::vector<std::size_t>> findings_at;

    Judgement judgement() const { return {*story, input.basis, input.request.now}; }
};

Html verdict_section(const Context& context);
Html findings_section(const Context& context);
Html checked_section(const Context& context);
Html keyrings_section(const Context& context);
Html timeline_section(const Context& context);
Html signers_section(const Context& context);

}  // namespace keyscribe::report
