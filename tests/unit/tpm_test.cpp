// SPDX-License-Identifier: Apache-2.0
// Against a software TPM, beside what tpm2-tools read.
#include "controller/host/tpm/tpm.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "controller/host/measure/boot_aggregate.h"
#include "support.h"

namespace keyscribe::measure {
namespace tpm_test {

constexpr unsigned kPcr = 13;

tpm::PcrValues digests_of(const std::vector<Algorithm>& banks, std::string_view text) {
    tpm::PcrValues values;
    for (const Algorithm bank : banks) values[bank] = hash(bank, as_bytes(text));
    return values;
}

TEST(Tpm, StartsWithZerosInTheBanksItSays) {
    const testing::Swtpm swtpm;
    tpm::Tpm tpm = swtpm.open();
    const auto banks = tpm.banks(kPcr);
    ASSERT_TRUE(banks) << to_string(banks.error());
    EXPECT_NE(std::ranges::find(*banks, Algorithm::kSha256), banks->end());
    const auto values = tpm.read_pcr(kPcr, *banks);
    ASSERT_TRUE(values) << to_string(values.error());
    ASSERT_EQ(values->size(), banks->size());
    for (const auto& [bank, digest] : *values) EXPECT_EQ(digest, filled(bank, 0));
    const auto description = tpm.description();
    ASSERT_TRUE(description);
    EXPECT_TRUE(description->starts_with("IBM, firmware ")) << *description;
}

TEST(Tpm, ExtendsEveryBankAtOnce) {
    const testing::Swtpm swtpm;
    tpm::PcrValues expected;
    {
        tpm::Tpm tpm = swtpm.open();
        const auto banks = tpm.banks(kPcr);
        ASSERT_TRUE(banks);
        for (const char* text : {"one", "two"}) {
            const tpm::PcrValues digests = digests_of(*banks, text);
            const auto done = tpm.extend(kPcr, digests);
            ASSERT_TRUE(done) << to_string(done.error());
            for (const auto& [bank, digest] : digests) {
                Digest& value = expected.try_emplace(bank, filled(bank, 0)).first->second;
                value = hash(bank, value, digest);
            }
        }
        const auto values = tpm.read_pcr(kPcr, *banks);
        ASSERT_TRUE(values);
        EXPECT_EQ(*values, expected);
    }
    for (const auto& [bank, digest] : expected)
        EXPECT_EQ(swtpm.pcrread(kPcr, bank), to_hex(digest));
}

TEST(Tpm, ReadsMorePcrsThanOneCommandGives) {
    const testing::Swtpm swtpm;
    tpm::Tpm tpm = swtpm.open();
    std::vector<unsigned> pcrs;
    for (unsigned pcr = 0; pcr < 16; ++pcr) {
        ASSERT_TRUE(tpm.extend(pcr, digests_of({Algorithm::kSha256}, std::to_string(pcr))));
        pcrs.insert(pcrs.begin(), pcr);  // the order that is asked for, not the TPM's
    }
    const auto values = tpm.read_pcrs(Algorithm::kSha256, pcrs);
    ASSERT_TRUE(values) << to_string(values.error());
    ASSERT_EQ(values->size(), pcrs.size());
    for (std::size_t i = 0; i < pcrs.size(); ++i)
        EXPECT_EQ((*values)[i], hash(Algorithm::kSha256, filled(Algorithm::kSha256, 0),
                                     hash(Algorithm::kSha256, as_bytes(std::to_string(pcrs[i])))));
}

TEST(Tpm, BootAggregateIsOverTheFirmwaresPcrs) {
    const testing::Swtpm swtpm;
    tpm::Tpm tpm = swtpm.open();
    ASSERT_TRUE(tpm.extend(9, digests_of({Algorithm::kSha256}, "grub")));
    std::string concatenated(9 * 32, '\0');
    const Digest nine = hash(Algorithm::kSha256, filled(Algorithm::kSha256, 0),
                             hash(Algorithm::kSha256, as_bytes("grub")));
    concatenated.append(nine.bytes.begin(), nine.bytes.begin() + 32);
    const auto banks = tpm.banks(kPcr);
    ASSERT_TRUE(banks);
    const auto aggregate = boot_aggregate(tpm, *banks);
    ASSERT_TRUE(aggregate) << to_string(aggregate.error());
    EXPECT_EQ(aggregate->algorithm, Algorithm::kSha256);
    EXPECT_EQ(aggregate->digest, hash(Algorithm::kSha256, as_bytes(concatenated)));
}

TEST(Tpm, PcrsThatDoNotExistAreRefused) {
    const testing::Swtpm swtpm;
    tpm::Tpm tpm = swtpm.open();
    for (const unsigned pcr : {24u, 32u, 1000u, 0x80000000u, 0xffffffffu}) {
        EXPECT_FALSE(tpm.banks(pcr)) << pcr;
        EXPECT_FALSE(tpm.read_pcr(pcr, {Algorithm::kSha256})) << pcr;
        EXPECT_FALSE(tpm.extend(pcr, digests_of({Algorithm::kSha256}, "x"))) << pcr;
    }
}

TEST(Tpm, NobodyThereIsAnErrorThatNamesTheTcti) {
    const testing::TempDir directory;
    const std::string tcti = "swtpm:path=" + (directory / "none").string();
    const auto tpm = tpm::Tpm::open(tcti);
    ASSERT_FALSE(tpm);
    EXPECT_EQ(tpm.error().where, tcti);
    EXPECT_NE(tpm.error().hint, "");
    EXPECT_FALSE(tpm::Tpm::open("device:" + (directory / "tpmrm0").string()));
    EXPECT_FALSE(tpm::Tpm::open("no-such-tcti"));
}

TEST(Tpm, WhichPcrsAreAllowed) {
    for (unsigned pcr = 0; pcr < 16; ++pcr) EXPECT_TRUE(tpm::check_pcr(pcr, false)) << pcr;
    for (const unsigned pcr : {16u, 23u}) {
        EXPECT_FALSE(tpm::check_pcr(pcr, false)) << pcr;
        EXPECT_TRUE(tpm::check_pcr(pcr, true)) << pcr;
    }
    for (const unsigned pcr : {17u, 22u, 24u, 1000u})
        EXPECT_FALSE(tpm::check_pcr(pcr, true)) << pcr;
}

}  // namespace tpm_test
}  // namespace keyscribe::measure
