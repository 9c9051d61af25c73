// SPDX-License-Identifier: Apache-2.0
// Findings that are many: what is kept of them.
#include <gtest/gtest.h>

#include "controller/service/appraise/codes.h"
#include "controller/service/appraise/finding.h"

namespace keyscribe::appraise {
namespace findings_test {

TEST(Findings, NotesDoNotHideWhatCounts) {
    Findings findings;
    constexpr bool kAllowed = true;
    for (std::size_t i = 0; i < Findings::kListed + 7; ++i)
        findings.add(codes::kKeyExpired, kAllowed, "one of the firmware's keys has expired");
    findings.add(codes::kKeyExpired, "the key that signs files has expired");
    EXPECT_EQ(findings.worst(), Weight::kContraindicates);
    const std::vector<Finding> kept = findings.take();
    ASSERT_EQ(kept.size(), Findings::kListed + 1);
    EXPECT_EQ(kept.back().weight, Weight::kContraindicates);
    EXPECT_EQ(kept.back().sentence, "the key that signs files has expired");
    EXPECT_TRUE(kept[Findings::kListed - 1].sentence.ends_with("(and 7 more like it)"));
}

}  // namespace findings_test
}  // namespace keyscribe::appraise
