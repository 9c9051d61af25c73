// SPDX-License-Identifier: Apache-2.0
// A good kept state with some bytes changed, and evidence that goes on from it.
#include "mutation.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace mutated_state_fuzz {

using namespace keyscribe::fuzz;

void fuzz(const std::uint8_t* data, std::size_t size) {
    static GoodHost good;
    good.host.from_entry = good.kept_entries;
    static const Buffer evidence = good.host.encoded();
    static const Bytes kept = appraise::parse_state(good.state)->list;
    if (!good.affirmed(evidence, good.state)) std::abort();
    const Buffer changed = mutated(good.state, {data, size});
    if (!good.affirmed(evidence, changed)) return;
    // The list that was judged, with what is new, is the one that was kept.
    const auto state = appraise::parse_state(changed);
    if (!state || !std::ranges::equal(state->list, kept)) std::abort();
}

const testing::Fuzzer kFuzzer("mutated_state_fuzz", fuzz);

}  // namespace mutated_state_fuzz
}  // namespace keyscribe
