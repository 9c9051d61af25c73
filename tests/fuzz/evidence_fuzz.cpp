// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as evidence, in both forms: refused, or what their encoding says.
#include <algorithm>
#include <cstdlib>

#include "controller/evidence/evidence.h"

using namespace keyscribe;
using namespace keyscribe::evidence;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes input{data, size};
    const auto decoded = decode(input);
    if (!decoded) return 0;
    const auto cbor = encode_cbor(decoded->evidence);
    // CBOR has one form; JSON, once read, gives the same evidence in either.
    if (decoded->storage.empty() && !std::ranges::equal(cbor, input)) std::abort();
    const std::string json = encode_json(decoded->evidence);
    const auto again = decode(keyscribe::base::as_bytes(json));
    if (!again || encode_cbor(again->evidence) != cbor) std::abort();
    return 0;
}
