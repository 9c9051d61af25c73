// SPDX-License-Identifier: Apache-2.0
// Each forgery has a finding of its own.
#include "forgery.h"

namespace keyscribe::appraise {

TEST_P(Forgeries, HasItsFinding) {
    testing::Setting setting;
    GetParam().make(setting);
    const auto result = setting.run();
    EXPECT_EQ(testing::findings_of(result), GetParam().findings) << to_json(result, "");
    ASSERT_NE(result.verdict, Verdict::kAffirmed);
    for (const Finding& finding : result.findings) EXPECT_FALSE(finding.sentence.empty());
    // A code has one weight, so the first one says what the verdict has to be.
    const bool unusable = result.findings.front().weight == Weight::kUnusable;
    EXPECT_EQ(result.verdict, unusable ? Verdict::kUnusable : Verdict::kContraindicated);
    EXPECT_EQ(result.next.has_value(), !unusable);
}

}  // namespace keyscribe::appraise
