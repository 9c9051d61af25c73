// SPDX-License-Identifier: Apache-2.0
// A good list with some bytes changed, through the whole appraisal: under the quote of the good
// one, and under a quote of its own, as a host that measured it so would send it.
#include "mutation.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace mutated_list_fuzz {

using namespace keyscribe::fuzz;

/// The PCR that the list gives, by the reader that everybody uses.
evidence::PcrSet pcrs_of(Bytes list) {
    list::Replay replay({Algorithm::kSha1, Algorithm::kSha256});
    list::ListReader reader(list);
    for (;;) {
        const auto entry = reader.next();
        if (!entry || !*entry) break;
        replay.add(**entry);
    }
    evidence::PcrSet set;
    for (const Algorithm bank : replay.banks())
        set[bank][testing::Host::kPcr] = replay.value(testing::Host::kPcr, bank);
    return set;
}

void fuzz(const std::uint8_t* data, std::size_t size) {
    static GoodHost good;
    const Buffer before = good.host.list.bytes;
    const Buffer changed = mutated(before, {data, size});
    evidence::Evidence evidence = good.host.evidence();
    evidence.list = {entries_of(changed), 0, 0, changed};
    if (changed.empty()) return;
    const bool begins_so = changed.size() >= before.size() &&
                           std::equal(before.begin(), before.end(), changed.begin());
    const Buffer bytes = evidence::encode_cbor(evidence);
    if (good.affirmed(bytes) && !begins_so) std::abort();
    // Everything that stands behind the list's digests is reached; none of it may end badly.
    good.host.first_pcrs = pcrs_of(changed);
    evidence = good.host.evidence();
    good.host.first_pcrs.clear();
    evidence.list = {entries_of(changed), 0, 0, changed};
    for (const auto& finding : good.appraise(evidence::encode_cbor(evidence)).findings)
        if (finding.sentence.empty()) std::abort();
}

const testing::Fuzzer kFuzzer("mutated_list_fuzz", fuzz);

}  // namespace mutated_list_fuzz
}  // namespace keyscribe
