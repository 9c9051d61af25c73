// SPDX-License-Identifier: Apache-2.0
// Good evidence with some bytes changed, in both forms, through the whole appraisal.
#include "mutation.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace mutated_evidence_fuzz {

using namespace keyscribe::fuzz;

/// Whatever a verdict rests on. What is left is the host's word: time, kernel, software, EK.
bool says_the_same(const evidence::Evidence& left, const evidence::Evidence& right) {
    if (left.quotes.size() != right.quotes.size() || left.ima.has_value() != right.ima.has_value())
        return false;
    for (std::size_t i = 0; i < left.quotes.size(); ++i)
        if (left.quotes[i].pcrs != right.quotes[i].pcrs ||
            !std::ranges::equal(left.quotes[i].attest, right.quotes[i].attest))
            return false;
    return left.boot_id == right.boot_id && left.pcr == right.pcr &&
           std::ranges::equal(left.ak, right.ak) &&
           std::ranges::equal(left.list.data, right.list.data) &&
           (!left.ima || std::ranges::equal(left.ima->data, right.ima->data));
}

void fuzz(const std::uint8_t* data, std::size_t size) {
    static GoodHost good;
    static const evidence::Evidence evidence = good.host.evidence();
    static const Buffer cbor = evidence::encode_cbor(evidence);
    static const std::string json = evidence::encode_json(evidence);
    if (!good.affirmed(cbor) || !good.affirmed(as_bytes(json))) std::abort();
    const Bytes script(data, size);
    for (const Bytes form : {Bytes(cbor), as_bytes(json)}) {
        const Buffer changed = mutated({form.begin(), form.end()}, script);
        const auto appraisal = good.appraise(changed);
        if (appraisal.verdict == appraise::Verdict::kAffirmed &&
            !says_the_same(appraisal.document->evidence, evidence))
            std::abort();
    }
}

const testing::Fuzzer kFuzzer("mutated_evidence_fuzz", fuzz);

}  // namespace mutated_evidence_fuzz
}  // namespace keyscribe
