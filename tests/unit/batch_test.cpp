// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/batch.h"

#include <gtest/gtest.h>

#include "controller/list/cbor.h"
#include "controller/list/template_data.h"
#include "controller/list/template_format.h"

namespace keyscribe::measure {
namespace batch_test {

NamedBuf record(unsigned pcr, std::string name, std::size_t size) {
    return {pcr, std::move(name), WipedBytes(size, 0x5a)};
}

TEST(Batch, IsWhatTheCborEncoderGives) {
    std::vector<NamedBuf> records;
    nlohmann::json entries = nlohmann::json::array();
    // Sizes on both sides of every step of CBOR's lengths, and more than 255 of them.
    for (const std::size_t size : {0u, 1u, 23u, 24u, 255u, 256u, 65535u, 65536u})
        records.push_back(record(13, ".ima", size));
    for (int i = 0; i < 300; ++i) records.push_back(record(13, std::string(1 + i, 'n'), 3));
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

// As many as a baseline can have: readers take entries of a bounded size.
TEST(Batch, IsBounded) {
    std::vector<NamedBuf> records;
    for (int i = 0; i < 10; ++i) records.push_back(record(13, "a", kMaxBatchBytes / 4));
    records.push_back(record(13, "larger", 2 * kMaxBatchBytes));
    records.push_back(record(13, "last", 1));
    const auto made = batch_entries(records);
    ASSERT_EQ(made.size(), 6u);
    EXPECT_EQ(made[4].template_data, list::encode_ima_buf("larger", records[10].buf));
    EXPECT_EQ(made[5].template_data, list::encode_ima_buf("last", records[11].buf));
    std::size_t bytes = 0;
    for (const NewEntry& entry : made) bytes += entry.template_data.size();
    for (const NamedBuf& each : records) bytes -= each.buf.size();
    EXPECT_LT(bytes, 1000u);
}

}  // namespace batch_test
}  // namespace keyscribe::measure
