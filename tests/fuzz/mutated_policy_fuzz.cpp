// SPDX-License-Identifier: Apache-2.0
// The appraisal policy with some bytes changed, and a host with a key in .ima that is no reference
// value: affirmed only where the policy that was read does not judge it.
#include <fstream>
#include <iterator>

#include "mutation.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace mutated_policy_fuzz {

using namespace keyscribe::fuzz;

struct RogueHost : GoodHost {
    RogueHost() {
        const auto key = testing::ec_key("P-256");
        host.key(".ima",
                 testing::certificate(key.get(), "Rogue", host.builtin_key.get(), "Build key"), 400,
                 "Rogue: 11");
    }
};

Buffer file(const char* path) {
    std::ifstream stream(path, std::ios::binary);
    Buffer bytes{std::istreambuf_iterator(stream), {}};
    if (bytes.empty()) std::abort();
    return bytes;
}

bool judges(const appraise::AppraisalPolicy& policy) {
    const auto& [watched, exempt, signers, types, owners] = policy.keyrings;
    return appraise::matches_any(watched, ".ima") && !appraise::matches_any(exempt, ".ima") &&
           std::ranges::count(types, "asymmetric") > 0 && std::ranges::count(owners, 0u) > 0;
}

void fuzz(const std::uint8_t* data, std::size_t size) {
    static RogueHost rogue;
    static const Buffer evidence = rogue.host.encoded();
    static const Buffer defaults = file(APPRAISAL_POLICY);
    const Buffer changed = mutated(defaults, {data, size});
    auto policy = appraise::parse_policy(as_text(changed), "p");
    if (!policy || !check_names(*policy, rogue.basis.references)) return;
    policy->written.clear();  // as complete() does: what it did not see is affirmed in no case
    rogue.basis.policy = *policy;
    const appraise::Verdict verdict = rogue.appraise(evidence).verdict;
    if (verdict == appraise::Verdict::kAffirmed && judges(*policy)) std::abort();
    // The defaults themselves do judge it.
    if (size == 0 && verdict != appraise::Verdict::kContraindicated) std::abort();
}

const testing::Fuzzer kFuzzer("mutated_policy_fuzz", fuzz);

}  // namespace mutated_policy_fuzz
}  // namespace keyscribe
