// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as a record: refused, or the one encoding of what they say.
#include <algorithm>
#include <cstdlib>

#include "controller/host/records/records.h"
#include "controller/list/cbor.h"

using namespace keyscribe::measure;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes encoded{data, size};
    (void)records::foreign_values(encoded);
    const auto value = list::from_cbor(encoded);
    if (value && !std::ranges::equal(list::to_cbor(*value), encoded)) std::abort();
    return 0;
}
