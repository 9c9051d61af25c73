// SPDX-License-Identifier: Apache-2.0
// The vectors are those of RFC 8949, appendix A, as far as records use such values.
#include "controller/list/cbor.h"

#include <gtest/gtest.h>

#include <utility>

#include "tests/unit/support.h"

namespace keyscribe::measure {
namespace cbor_test {

using nlohmann::json;

std::vector<std::uint8_t> bytes(std::string_view hex) {
    std::vector<std::uint8_t> all;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        all.push_back(
            static_cast<std::uint8_t>(std::stoul(std::string(hex.substr(i, 2)), nullptr, 16)));
    return all;
}

json of(std::string_view text) { return list::cbor_bytes(as_bytes(text)); }

const std::vector<std::pair<json, std::string>>& vectors() {
    static const std::vector<std::pair<json, std::string>> all = {
        {0, "00"},
        {1, "01"},
        {10, "0a"},
        {23, "17"},
        {24, "1818"},
        {25, "1819"},
        {100, "1864"},
        {1000, "1903e8"},
        {1000000, "1a000f4240"},
        {1000000000000, "1b000000e8d4a51000"},
        {18446744073709551615u, "1bffffffffffffffff"},
        {-1, "20"},
        {-10, "29"},
        {-100, "3863"},
        {-1000, "3903e7"},
        {false, "f4"},
        {true, "f5"},
        {nullptr, "f6"},
        {of(""), "40"},
        {of("\1\2\3\4"), "4401020304"},
        {"", "60"},
        {"a", "6161"},
        {"IETF", "6449455446"},
        {"\"\\", "62225c"},
        {"\u00fc", "62c3bc"},
        {"\u6c34", "63e6b0b4"},
        {"\U00010151", "64f0908591"},
        {json::array(), "80"},
        {json::array({1, 2, 3}), "83010203"},
        {json::array({1, json::array({2, 3}), json::array({4, 5})}), "8301820203820405"},
        {json::array({1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13,
                      14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25}),
         "98190102030405060708090a0b0c0d0e0f101112131415161718181819"},
        {json::object(), "a0"},
        {{{"a", 1}, {"b", json::array({2, 3})}}, "a26161016162820203"},
        {json::array({"a", {{"b", "c"}}}), "826161a161626163"},
        {{{"a", "A"}, {"b", "B"}, {"c", "C"}, {"d", "D"}, {"e", "E"}},
         "a56161614161626142616361436164614461656145"},
    };
    return all;
}

TEST(Cbor, VectorsOfTheRfc) {
    for (const auto& [value, hex] : vectors()) {
        EXPECT_EQ(to_hex(list::to_cbor(value)), hex) << value;
        const auto decoded = list::from_cbor(bytes(hex));
        ASSERT_TRUE(decoded) << hex;
        EXPECT_EQ(*decoded, value);
    }
}

TEST(Cbor, KeysInTheOrderOfTheirEncodings) {
    // Section 4.2.1: the encoding begins with the length, so shorter keys come first.
    EXPECT_EQ(to_hex(list::to_cbor({{"aa", 1}, {"b", 2}, {"", 3}, {"a", 4}})),
              "a4600361610461620262616101");
    // At 24 the length takes a byte of its own.
    const std::string key23(23, 'z'), key24(24, 'a');
    EXPECT_EQ(to_hex(list::to_cbor({{key24, 1}, {key23, 2}})),
              "a277" + to_hex(as_bytes(key23)) + "02" + "7818" + to_hex(as_bytes(key24)) + "01");
    // Bytes are compared unsigned.
    EXPECT_EQ(to_hex(list::to_cbor({{"\u00fc", 1}, {"zz", 2}})), "a2627a7a0262c3bc01");
}

TEST(Cbor, MapsWithinAreOrderedToo) {
    EXPECT_EQ(to_hex(list::to_cbor(json::array({{{"bb", 1}, {"a", {{"dd", 1}, {"c", 2}}}}}))),
              "81a26161a261630262646401"
              "62626201");
}

TEST(Cbor, OtherFormsOfTheSameAreRefused) {
    for (const char* hex : {
             "1817",                // 23 in two bytes
             "190017",              // and in three
             "1a00000017",          //
             "1b0000000000000017",  //
             "3800",                // -1 in two bytes
             "5803010203",          // a length that needs no byte of its own
             "7801"
             "61",  //
             "9801"
             "01",  //
             "b801"
             "616101",              //
             "9f01ff",              // indefinite lengths
             "bf616101ff",          //
             "5f41014102ff",        //
             "7f61616162ff",        //
             "a2616201616101",      // keys out of order
             "a262616101616202",    //
             "a2616101616102",      // a key twice
             "c11a514b67b0",        // a tag
             "d74401020304",        //
             "f90000",              // floats have no place in a record
             "f97e00",              //
             "fa47c35000",          //
             "fb3ff199999999999a",  //
             "f7",                  // undefined
             "a10102",              // a key that is no text
             "1bffffffffffffffff00",
         })
        EXPECT_FALSE(list::from_cbor(bytes(hex))) << hex;
}

TEST(Cbor, GarbageIsRefused) {
    for (const char* hex : {"",
                            "18",
                            "1b00",
                            "41",
                            "61",
                            "81",
                            "a1",
                            "a16161",
                            "ff",
                            "1c",
                            "1f",
                            "0000",
                            "5bffffffffffffffff",
                            "9bffffffffffffffff",
                            "bbffffffffffffffff",
                            "7bffffffffffffffff",
                            "9b7fffffffffffffff00",
                            "3bffffffffffffffff",
                            "fc",
                            "f800"})
        EXPECT_FALSE(list::from_cbor(bytes(hex))) << hex;
    for (const auto& [value, hex] : vectors())
        for (std::size_t cut = 2; cut < hex.size(); cut += 2)
            EXPECT_FALSE(list::from_cbor(bytes(hex.substr(0, hex.size() - cut)))) << hex;
}

TEST(Cbor, DepthDoesNotTakeTheStack) {
    std::vector<std::uint8_t> deep(8u << 20, 0x81);
    deep.back() = 0x80;
    EXPECT_FALSE(list::from_cbor(deep));
    for (std::size_t i = 0; i + 2 < deep.size(); i += 3) {
        deep[i] = 0xa1;
        deep[i + 1] = 0x61;
        deep[i + 2] = 'a';
    }
    EXPECT_FALSE(list::from_cbor(deep));
}

TEST(Cbor, ManyKeysAreInOrder) {
    json many = json::object();
    for (int i = 0; i < 100'000 / testing::kStep; ++i) many["key " + std::to_string(i)] = i;
    const auto encoded = list::to_cbor(many);
    const auto decoded = list::from_cbor(encoded);
    ASSERT_TRUE(decoded) << to_string(decoded.error());
    EXPECT_EQ(*decoded, many);
}

}  // namespace cbor_test
}  // namespace keyscribe::measure
