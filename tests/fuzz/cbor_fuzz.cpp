// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as a record: refused, or the one encoding of what they say.
#include <algorithm>
#include <cstdlib>

#include "controller/list/cbor.h"
#include "controller/host/records/records.h"

using namespace keyscribe::measure;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes encoded{data, size};
    (void)foreign_values(encoded);
    const auto value = from_cbor(encoded);
    if (value && !std::ranges::equal(to_cbor(*value), encoded)) std::abort();
    return 0;
}
