// SPDX-License-Identifier: Apache-2.0
#include "controller/base/digest.h"

#include <gtest/gtest.h>

#include "support.h"

namespace keyscribe::measure {
namespace digest_test {

constexpr std::array kAll = {Algorithm::kSha1, Algorithm::kSha256, Algorithm::kSha384,
                             Algorithm::kSha512};

TEST(Digest, EqualsWhatOpensslComputes) {
    const testing::TempDir directory;
    const std::string text("keyrings \0 and\nother bytes \xff", 27);
    testing::write_file(directory / "text", text);
    for (const Algorithm algorithm : kAll) {
        const auto output = testing::run("openssl dgst -r -" + std::string(name_of(algorithm)) +
                                         " < " + (directory / "text").string());
        const std::string digest = to_hex(hash(algorithm, as_bytes(text)));
        EXPECT_EQ(output.text.substr(0, output.text.find(' ')), digest);
        EXPECT_EQ(digest.size(), 2 * size_of(algorithm));
    }
}

TEST(Digest, TwoPartsAreOneMessage) {
    for (const Algorithm algorithm : kAll)
        EXPECT_EQ(hash(algorithm, as_bytes("ab"), as_bytes("cd")),
                  hash(algorithm, as_bytes("abcd")));
}

TEST(Digest, OfNothing) {
    EXPECT_EQ(to_hex(hash(Algorithm::kSha1, {})), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

TEST(Digest, NamesAndTpmNumbers) {
    for (const Algorithm algorithm : kAll) {
        EXPECT_EQ(algorithm_named(name_of(algorithm)), algorithm);
        EXPECT_EQ(algorithm_of(static_cast<std::uint16_t>(algorithm)), algorithm);
    }
    EXPECT_EQ(algorithm_named("sm3_256"), std::nullopt);
    EXPECT_EQ(algorithm_named("SHA256"), std::nullopt);
    EXPECT_EQ(algorithm_named(""), std::nullopt);
    EXPECT_EQ(algorithm_of(0x0012), std::nullopt);  // TPM_ALG_SM3_256
    EXPECT_EQ(algorithm_of(0), std::nullopt);
}

TEST(Digest, Filled) {
    EXPECT_EQ(to_hex(filled(Algorithm::kSha1, 0xff)), std::string(40, 'f'));
    EXPECT_EQ(to_hex(filled(Algorithm::kSha384, 0)), std::string(96, '0'));
    EXPECT_NE(filled(Algorithm::kSha1, 0), filled(Algorithm::kSha256, 0));
}

TEST(Digest, Hex) {
    EXPECT_EQ(to_hex({}), "");
    EXPECT_EQ(to_hex(std::array<std::uint8_t, 3>{0x00, 0x9a, 0xff}), "009aff");
}

}  // namespace digest_test
}  // namespace keyscribe::measure
