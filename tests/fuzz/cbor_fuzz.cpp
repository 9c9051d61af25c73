// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as a record: refused, or the one encoding of what they say.
#include <algorithm>
#include <cstdlib>

#include "controller/list/cbor.h"
#include "controller/list/record.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace cbor_fuzz {

void fuzz(const std::uint8_t* data, std::size_t size) {
    const Bytes encoded{data, size};
    for (const char* kind : {"foreign", "policy", "link", "start", "baseline-begin"})
        (void)list::parse_record(list::record_name(kind), encoded);
    const auto value = list::from_cbor(encoded);
    if (value && !std::ranges::equal(list::to_cbor(*value), encoded)) std::abort();
}

const testing::Fuzzer kFuzzer("cbor_fuzz", fuzz);

}  // namespace cbor_fuzz
}  // namespace keyscribe
