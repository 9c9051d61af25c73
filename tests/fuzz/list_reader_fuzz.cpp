// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as a measurement list: refused, or taken apart into entries that lie end to end.
#include <cstdlib>

#include "controller/host/measure/list_writer.h"
#include "controller/list/list_reader.h"
#include "controller/list/record.h"
#include "controller/list/template_format.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace list_reader_fuzz {

void look_at(const list::Entry& entry) {
    (void)measure::text_line(entry.pcr, entry.stored_digest, entry.template_name,
                             entry.template_data);
    const auto fields = list::decode_fields(entry.template_name, entry.template_data);
    if (!fields) return;
    std::size_t size =
        4 + fields->algorithm.size() + 2 + fields->digest.size() + 4 + fields->name.size() + 1;
    if (entry.template_name.ends_with("v2")) size += fields->type.size() + 1;
    for (std::size_t i = 0; i < fields->count; ++i) size += 4 + fields->more[i].size();
    // The legacy template has no lengths.
    if (entry.template_name != "ima" && size != entry.template_data.size()) std::abort();
    if (fields->third()) (void)list::parse_record(fields->name, *fields->third());
}

void read(Bytes list, Algorithm digests) {
    list::ListReader reader(list, digests);
    list::Replay replay({Algorithm::kSha1, Algorithm::kSha256});
    std::size_t end = 0;
    for (;;) {
        const auto entry = reader.next();
        if (reader.offset() > list.size()) std::abort();
        if (!entry) {
            if (reader.offset() != end) std::abort();
            return;
        }
        if (!*entry) break;
        const list::Entry& one = **entry;
        const std::size_t length = one.template_name == "ima" ? 0 : 4;
        if (one.offset != end || one.size != 4 + size_of(digests) + 4 + one.template_name.size() +
                                                 length + one.template_data.size())
            std::abort();
        end += one.size;
        if (length != 0 && digests == Algorithm::kSha1 &&
            measure::encode_entry(one.pcr, one.template_name, one.template_data).size() != one.size)
            std::abort();
        look_at(one);
        replay.add(one);
    }
    if (end != list.size()) std::abort();
}

void fuzz(const std::uint8_t* data, std::size_t size) {
    for (const Algorithm digests : {Algorithm::kSha1, Algorithm::kSha256})
        read({data, size}, digests);
}

const testing::Fuzzer kFuzzer("list_reader_fuzz", fuzz);

}  // namespace list_reader_fuzz
}  // namespace keyscribe
