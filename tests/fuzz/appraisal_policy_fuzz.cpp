// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as what a service gives: appraisal policy, with the names in it, and kept state.
#include <cstdlib>

#include "controller/service/appraise/policy.h"
#include "controller/service/appraise/references.h"
#include "controller/service/appraise/state.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace appraisal_policy_fuzz {

using namespace keyscribe::appraise;

void fuzz(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto policy = parse_policy(text, "p")) {
        if (policy->evidence.pcr > 23 || policy->evidence.banks.empty()) std::abort();
        if (policy->keyrings.watched.empty() || policy->keyrings.types.empty()) std::abort();
        const auto checked = check_names(*policy, ReferenceValues());
        if (!checked && !checked.error().where.starts_with("p:")) std::abort();
        // Without reference values, none that is required can be there.
        if (checked && !policy->keys.required.empty()) std::abort();
    } else if (policy.error().what.empty() || policy.error().where.empty()) {
        std::abort();
    }
    if (const auto state = parse_state({data, size}))
        if (state_header(*state, state->list, {}).back() != '\n') std::abort();
    (void)matches_any({std::string(text.substr(0, size / 2))}, text.substr(size / 2));
}

const testing::Fuzzer kFuzzer("appraisal_policy_fuzz", fuzz);

}  // namespace appraisal_policy_fuzz
}  // namespace keyscribe
