// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as a canonical event log: the first byte says in which format.
#include <cstdlib>

#include "controller/list/cel.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace cel_fuzz {

void fuzz(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return;
    const auto format = static_cast<list::CelFormat>(data[0] % 3);
    const auto records = list::read_cel({data + 1, size - 1}, format);
    if (!records) return;
    for (const list::CelRecord& record : *records)
        if (record.digests.empty() || record.template_name.empty()) std::abort();
}

const testing::Fuzzer kFuzzer("cel_fuzz", fuzz);

}  // namespace cel_fuzz
}  // namespace keyscribe
