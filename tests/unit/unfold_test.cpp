// SPDX-License-Identifier: Apache-2.0
#include "controller/list/unfold.h"

#include <gtest/gtest.h>

#include "controller/host/measure/batch.h"
#include "controller/host/measure/list_writer.h"
#include "controller/list/cbor.h"
#include "controller/list/template_data.h"

namespace keyscribe::measure {
namespace unfold_test {

using nlohmann::json;

WipedBytes list_of(const std::vector<NewEntry>& entries) {
    WipedBytes list;
    for (const NewEntry& entry : entries) {
        const auto bytes = encode_entry(entry.pcr, entry.template_name, entry.template_data);
        list.insert(list.end(), bytes.begin(), bytes.end());
    }
    return list;
}

NamedBuf named(std::string name, std::string_view buf) {
    return {13, std::move(name), WipedBytes(buf.begin(), buf.end())};
}

std::string text(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

TEST(Unfold, WhatIsBatchedIsAsIfItStoodAlone) {
    std::vector<NamedBuf> records;
    // As many as one entry has room for.
    for (int i = 0; i < 30; ++i)
        records.push_back(named("ring" + std::to_string(i), std::string(i * 7, 'x')));
    for (const bool batched : {false, true}) {
        const WipedBytes list = list_of(batched ? batch_entries(records) : single_entries(records));
        std::size_t i = 0;
        const auto done = list::for_each_record(list, [&](const list::LogicalRecord& record) {
            ASSERT_LT(i, records.size());
            EXPECT_EQ(record.name, records[i].name);
            EXPECT_EQ(text(record.buf), text(records[i].buf));
            EXPECT_EQ(record.entry, batched ? 0 : i);
            EXPECT_EQ(record.index, batched ? i : 0);
            EXPECT_EQ(list.data() + record.offset, record.buf.data());
            ++i;
        });
        EXPECT_TRUE(done) << to_string(done.error());
        EXPECT_EQ(i, records.size());
    }
}

TEST(Unfold, OtherTemplatesAreNoRecords) {
    const WipedBytes list =
        list_of({{13, "ima-ng", list::encode_ima_ng(Algorithm::kSha256, {}, "boot_aggregate")},
                 {13, "ima-buf", list::encode_ima_buf("ring", as_bytes("key"))}});
    std::vector<std::uint64_t> entries;
    ASSERT_TRUE(list::for_each_record(
        list, [&](const list::LogicalRecord& record) { entries.push_back(record.entry); }));
    EXPECT_EQ(entries, std::vector<std::uint64_t>{1});
}

/// The error for a batch with this buf.
std::string refusal(const std::vector<std::uint8_t>& buf) {
    const WipedBytes list =
        list_of({{13, "ima-buf", list::encode_ima_buf("keyscribe:batch", buf)}});
    const auto done =
        list::for_each_record(list, [](const list::LogicalRecord&) { ADD_FAILURE(); });
    return done ? "" : to_string(done.error());
}

json pair_of(std::string_view name) {
    return {list::cbor_bytes(as_bytes(name)), list::cbor_bytes(as_bytes("buf"))};
}

TEST(Unfold, RefusesWhatIsNotExactlyABatch) {
    const auto contains = [](const std::string& where, const char* what) {
        return where.find(what) != where.npos;
    };
    EXPECT_TRUE(contains(refusal({}), "not deterministic CBOR"));
    EXPECT_TRUE(contains(refusal({0xbf, 0xff}), "not deterministic CBOR"));
    // A length of 1 in two bytes.
    EXPECT_TRUE(contains(refusal({0xb8, 0x01, 0x61, 'a', 0x00}), "not deterministic CBOR"));
    EXPECT_TRUE(contains(refusal(list::to_cbor(json::array())), "not a map"));
    EXPECT_TRUE(contains(refusal(list::to_cbor({{"entries", 1}})), "not a map"));
    EXPECT_TRUE(
        contains(refusal(list::to_cbor({{"entries", json::array()}, {"x", 1}})), "not a map"));
    EXPECT_TRUE(contains(refusal(list::to_cbor({{"entries", {1}}})), "a member"));
    const json texts = json::array({"a", "b"});
    EXPECT_TRUE(contains(refusal(list::to_cbor({{"entries", json::array({texts})}})), "a member"));
    auto good = list::to_cbor({{"entries", {pair_of("keyscribe:batch"), pair_of("a")}}});
    EXPECT_TRUE(contains(refusal(good), "holds a keyscribe:batch"));
    good = list::to_cbor({{"entries", {pair_of("a"), pair_of("keyscribe:foreign")}}});
    EXPECT_TRUE(contains(refusal(good), "entry 0: keyscribe:batch: holds a keyscribe:foreign"));
    good = list::to_cbor({{"entries", {pair_of("a"), pair_of(std::string_view("b\0c", 3))}}});
    EXPECT_TRUE(contains(refusal(good), "NUL"));
    good = list::to_cbor({{"entries", {pair_of("a"), pair_of("b")}}});
    for (std::size_t size = 0; size < good.size(); ++size)
        EXPECT_NE(refusal({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)}), "");
    good.push_back(0);
    EXPECT_NE(refusal(good), "");
    // Arrays in arrays, as deep as the buffer is long.
    EXPECT_NE(refusal(std::vector<std::uint8_t>(1 << 20, 0x81)), "");
}

}  // namespace unfold_test
}  // namespace keyscribe::measure
