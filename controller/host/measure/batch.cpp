// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/batch.h"

#include <algorithm>
#include <span>

#include "controller/list/record.h"
#include "controller/list/template_data.h"

namespace keyscribe::measure {
namespace {

/// By hand, since the records are many and large: the head of a CBOR item (RFC 8949, 3) in its
/// shortest form.
void put_head(WipedBytes& to, unsigned major, std::uint64_t argument) {
    const auto put = [&](unsigned info, int bytes) {
        to.push_back(static_cast<std::uint8_t>(major << 5 | info));
        for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
            to.push_back(static_cast<std::uint8_t>(argument >> shift));
    };
    if (argument < 24)
        put(static_cast<unsigned>(argument), 0);
    else if (argument <= 0xff)
        put(24, 1);
    else if (argument <= 0xffff)
        put(25, 2);
    else
        put(26, 4);
}

void put_bytes(WipedBytes& to, unsigned major, Bytes bytes) {
    put_head(to, major, bytes.size());
    to.insert(to.end(), bytes.begin(), bytes.end());
}

/// { entries: [* [ name: bstr, buf: bstr ]] }
WipedBytes encode(std::span<const NamedBuf> records) {
    constexpr unsigned kByteString = 2, kTextString = 3, kArray = 4, kMap = 5;
    WipedBytes cbor;
    std::size_t size = 32;
    for (const NamedBuf& record : records) size += record.name.size() + record.buf.size() + 16;
    cbor.reserve(size);
    put_head(cbor, kMap, 1);
    put_bytes(cbor, kTextString, as_bytes("entries"));
    put_head(cbor, kArray, records.size());
    for (const NamedBuf& record : records) {
        put_head(cbor, kArray, 2);
        put_bytes(cbor, kByteString, as_bytes(record.name));
        put_bytes(cbor, kByteString, record.buf);
    }
    return cbor;
}

constexpr std::string_view kBatchName = "keyscribe:batch";
/// The map, its one member's name, and the array's head for up to 65,535 records.
constexpr std::size_t kAroundEntries = 1 + sizeof("entries") + 3;

std::size_t head_size(std::size_t argument) {
    return argument < 24 ? 1 : argument <= 0xff ? 2 : argument <= 0xffff ? 3 : 5;
}

std::size_t member_size(const NamedBuf& record) {
    return 1 + head_size(record.name.size()) + record.name.size() + head_size(record.buf.size()) +
           record.buf.size();
}

NewEntry single(const NamedBuf& record) {
    return {record.pcr, "ima-buf", list::encode_ima_buf(record.name, record.buf)};
}

}  // namespace

std::vector<NewEntry> single_entries(const std::vector<NamedBuf>& records) {
    std::vector<NewEntry> entries;
    for (const NamedBuf& record : records) entries.push_back(single(record));
    return entries;
}

std::vector<NewEntry> batch_entries(const std::vector<NamedBuf>& records) {
    std::vector<NewEntry> entries;
    for (std::span rest(records); !rest.empty();) {
        std::size_t bytes = kAroundEntries;
        const auto end = std::ranges::find_if(rest, [&](const NamedBuf& record) {
            bytes += member_size(record);
            return &record != &rest.front() &&
                   (record.pcr != rest.front().pcr ||
                    list::ima_buf_size(kBatchName.size(), bytes) > list::kMaxOwnTemplateData);
        });
        const auto together = rest.first(static_cast<std::size_t>(end - rest.begin()));
        rest = rest.subspan(together.size());
        if (together.size() == 1)
            entries.push_back(single(together.front()));
        else
            entries.push_back({together.front().pcr, "ima-buf",
                               list::encode_ima_buf(kBatchName, encode(together))});
    }
    return entries;
}

}  // namespace keyscribe::measure
