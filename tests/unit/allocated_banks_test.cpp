// SPDX-License-Identifier: Apache-2.0
#include "controller/host/tpm/allocated_banks.h"

#include <gtest/gtest.h>

namespace keyscribe::tpm {
namespace allocated_banks_test {

TEST(AllocatedBanks, ThoseOfOtherAlgorithmsAreNamedAndLeftAlone) {
    TPML_PCR_SELECTION all{};
    for (const TPM2_ALG_ID id : {0x0004, 0x000b, 0x0012, 0x0027, 0x7fff}) {
        TPMS_PCR_SELECTION& bank = all.pcrSelections[all.count++];
        bank.hash = id;
        bank.sizeofSelect = 3;
        bank.pcrSelect[1] = 1 << 5;  // PCR 13
    }
    const AllocatedBanks banks = allocated_banks(all, 13);
    EXPECT_EQ(banks.known, (std::vector{Algorithm::kSha1, Algorithm::kSha256}));
    EXPECT_EQ(banks.unknown, (std::vector<std::string>{"sm3_256", "sha3_256", "0x7fff"}));
    EXPECT_TRUE(allocated_banks(all, 12).known.empty());
    all.count = 99;  // what no TPM may say
    EXPECT_EQ(allocated_banks(all, 13).unknown.size(), 3u);
}

}  // namespace allocated_banks_test
}  // namespace keyscribe::tpm
