// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as evidence, in both forms: refused, or what their encoding says.
#include <algorithm>
#include <cstdlib>

#include "controller/evidence/evidence.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace evidence_fuzz {

using namespace keyscribe::evidence;

void fuzz(const std::uint8_t* data, std::size_t size) {
    const Bytes input{data, size};
    const auto decoded = decode(input);
    if (!decoded) return;
    const auto cbor = encode_cbor(decoded->evidence);
    // CBOR has one form; JSON, once read, gives the same evidence in either.
    if (decoded->storage.empty() && !std::ranges::equal(cbor, input)) std::abort();
    const std::string json = encode_json(decoded->evidence);
    const auto again = decode(keyscribe::base::as_bytes(json));
    if (!again || encode_cbor(again->evidence) != cbor) std::abort();
}

const testing::Fuzzer kFuzzer("evidence_fuzz", fuzz);

}  // namespace evidence_fuzz
}  // namespace keyscribe
