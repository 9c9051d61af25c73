// SPDX-License-Identifier: Apache-2.0
#include "controller/list/template_data.h"

#include <gtest/gtest.h>

#include "controller/list/template_format.h"

namespace keyscribe::measure {
namespace template_data_test {

std::string hex(Bytes bytes) { return to_hex(bytes); }

TEST(TemplateData, ImaBufByteForByte) {
    // "abc" under the name "ring", laid out by hand after ima_template_lib.c.
    EXPECT_EQ(hex(list::encode_ima_buf("ring", as_bytes("abc"))),
              "28000000" + hex(as_bytes("sha256:")) + "00" +
                  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
                  "05000000" +
                  hex(as_bytes("ring")) + "00" + "03000000" + hex(as_bytes("abc")));
}

TEST(TemplateData, ImaNgByteForByte) {
    EXPECT_EQ(hex(list::encode_ima_ng(Algorithm::kSha1, filled(Algorithm::kSha1, 0xab),
                                      "boot_aggregate")),
              "1a000000" + hex(as_bytes("sha1:")) + "00" + hex(filled(Algorithm::kSha1, 0xab)) +
                  "0f000000" + hex(as_bytes("boot_aggregate")) + "00");
}

TEST(TemplateData, GoesThereAndBack) {
    const std::string name = "a ring \\ \xc3\xa4\xff\n";
    const std::string buf("\0\1\2", 3);
    const auto data = list::encode_ima_buf(name, as_bytes(buf));
    const auto fields = list::decode_fields("ima-buf", data);
    ASSERT_TRUE(fields) << to_string(fields.error());
    EXPECT_EQ(fields->algorithm, "sha256");
    EXPECT_EQ(hex(fields->digest), hex(hash(Algorithm::kSha256, as_bytes(buf))));
    EXPECT_EQ(fields->name, name);
    EXPECT_EQ(hex(*fields->third()), "000102");
}

TEST(TemplateData, EmptyNameAndBuf) {
    const auto data = list::encode_ima_buf("", {});
    const auto fields = list::decode_fields("ima-buf", data);
    ASSERT_TRUE(fields);
    EXPECT_EQ(fields->name, "");
    EXPECT_TRUE(fields->third()->empty());
}

TEST(TemplateData, ImaNgHasNoThirdField) {
    const auto data = list::encode_ima_ng(Algorithm::kSha256, filled(Algorithm::kSha256, 1), "x");
    const auto fields = list::decode_fields("ima-ng", data);
    ASSERT_TRUE(fields);
    EXPECT_FALSE(fields->third());
    EXPECT_FALSE(list::decode_fields("ima-buf", data));
    EXPECT_FALSE(list::decode_fields("ima-sig", data));
}

TEST(TemplateData, EveryTruncationIsRefused) {
    const auto data = list::encode_ima_buf("ring", as_bytes("payload"));
    for (std::size_t size = 0; size < data.size(); ++size)
        EXPECT_FALSE(list::decode_fields("ima-buf", Bytes(data).first(size))) << size;
}

TEST(TemplateData, WhatIsMalformedIsRefused) {
    const auto whole = list::encode_ima_buf("ring", as_bytes("payload"));
    const auto refuses = [](WipedBytes data) { return !list::decode_fields("ima-buf", data); };
    auto more = whole;
    more.push_back(0);
    EXPECT_TRUE(refuses(more));
    auto huge = whole;
    huge[3] = 0xff;
    EXPECT_TRUE(refuses(huge));
    auto no_colon = whole;
    no_colon[4 + 6] = 'x';
    EXPECT_TRUE(refuses(no_colon));
    auto no_nul = whole;
    no_nul[4 + 7] = 'x';
    EXPECT_TRUE(refuses(no_nul));
    auto name_without_end = whole;
    name_without_end[4 + 40 + 4 + 4] = 'x';
    EXPECT_TRUE(refuses(name_without_end));
    auto nul_within_name = whole;
    nul_within_name[4 + 40 + 4 + 1] = 0;
    EXPECT_TRUE(refuses(nul_within_name));
    EXPECT_FALSE(list::decode_fields("evm-sig", whole));
    EXPECT_FALSE(list::decode_fields("", whole));
}

}  // namespace template_data_test
}  // namespace keyscribe::measure
