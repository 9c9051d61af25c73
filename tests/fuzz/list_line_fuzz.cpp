// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as a line of the text list: refused, or an entry that gives this very line.
#include <cstdlib>

#include "controller/host/measure/list_mender.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace list_line_fuzz {

void fuzz(const std::uint8_t* data, std::size_t size) {
    const std::string_view line(reinterpret_cast<const char*>(data), size);
    const auto entry = measure::entry_of_line(line);
    if (!entry) return;
    const Digest digest = hash(Algorithm::kSha1, entry->template_data);
    // What it says has one form; a PCR's number and the hexadecimal digits may have several.
    const std::string again =
        measure::text_line(entry->pcr, digest, entry->template_name, entry->template_data);
    const auto same = measure::entry_of_line({again.data(), again.size() - 1});
    if (!same || same->pcr != entry->pcr || same->template_name != entry->template_name ||
        same->template_data != entry->template_data)
        std::abort();
}

const testing::Fuzzer kFuzzer("list_line_fuzz", fuzz);

}  // namespace list_line_fuzz
}  // namespace keyscribe
