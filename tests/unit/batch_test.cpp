// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/batch.h"

#include <gtest/gtest.h>

#include "controller/list/cbor.h"
#include "controller/list/template_data.h"
#include "controller/list/template_format.h"
#include "controller/list/unfold.h"

namespace keyscribe::measure {
namespace batch_test {

NamedBuf record(unsigned pcr, std::string name, std::size_t size) {
    return {pcr, std::move(name), WipedBytes(size, 0x5a)};
}

TEST(Batch, IsWhatTheCborEncoderGives) {
    std::vector<NamedBuf> records;
    nlohmann::json entries = nlohmann::json::array();
    // Sizes on both sides of every step of CBOR's lengths, and more than 255 of them.
    for (const std::size_t size : {0u, 1u, 23u, 24u, 255u, 256u})
        records.push_back(record(13, ".ima", size));
    for (int i = 0; i < 260; ++i) records.push_back(record(13, i < 50 ? "n" : "", 3));
    for (const NamedBuf& each : records)
        entries.push_back({list::cbor_bytes(as_bytes(each.name)), list::cbor_bytes(each.buf)});
    const auto made = batch_entries(records);
    ASSERT_EQ(made.size(), 1u);
    EXPECT_EQ(made[0].pcr, 13u);
    const auto fields = list::decode_fields(made[0].template_name, made[0].template_data);
    ASSERT_TRUE(fields);
    EXPECT_EQ(fields->name, "keyscribe:batch");
    const auto expected = list::to_cbor({{"entries", entries}});
    EXPECT_TRUE(std::ranges::equal(fields->third().value(), expected));
}

TEST(Batch, NeighboursOfOnePcrShareOne) {
    const std::vector<NamedBuf> records = {record(13, "a", 1), record(13, "b", 1),
                                           record(11, "c", 1), record(13, "d", 1),
                                           record(13, "e", 1)};
    const auto made = batch_entries(records);
    ASSERT_EQ(made.size(), 3u);
    EXPECT_EQ(made[0].pcr, 13u);
    EXPECT_EQ(made[1].pcr, 11u);
    // What is alone is no batch.
    EXPECT_EQ(made[1].template_data, list::encode_ima_buf("c", records[2].buf));
    EXPECT_EQ(made[2].pcr, 13u);
    EXPECT_TRUE(batch_entries({}).empty());
    const auto singles = single_entries(records);
    ASSERT_EQ(singles.size(), 5u);
    EXPECT_EQ(singles[4].template_data, list::encode_ima_buf("e", records[4].buf));
}

// evmctl 1.5 verifies nothing where an entry has more than 4,096 bytes of template data.
TEST(Batch, IsCutToFit) {
    for (const std::size_t size :
         {0u, 10u, 23u, 24u, 100u, 190u, 1000u, 1999u, 2000u, 2001u, 4000u}) {
        const std::vector<NamedBuf> records(600, record(13, "keyscribe:create", size));
        std::size_t members = 0, largest = 0;
        for (const NewEntry& entry : batch_entries(records)) {
            largest = std::max(largest, entry.template_data.size());
            list::for_each_record(encode_entry(13, entry.template_name, entry.template_data),
                                  [&](const list::LogicalRecord&) { ++members; })
                .value();
        }
        EXPECT_EQ(members, records.size()) << size;
        EXPECT_LE(largest, 4096u) << size;
        // As many as there is room for.
        if (size <= 1000) EXPECT_GE(largest, 4096u - size - 32) << size;
    }
}

TEST(Batch, WhatIsLongerByItselfStandsAlone) {
    const std::vector<NamedBuf> records = {record(13, "a", 10), record(13, "larger", 5000),
                                           record(13, "b", 10), record(13, "c", 10)};
    const auto made = batch_entries(records);
    ASSERT_EQ(made.size(), 3u);
    EXPECT_EQ(made[1].template_data, list::encode_ima_buf("larger", records[1].buf));
}

}  // namespace batch_test
}  // namespace keyscribe::measure
