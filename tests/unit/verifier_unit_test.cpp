// SPDX-License-Identifier: Apache-2.0
// What systemd lets the service do.
#include <gtest/gtest.h>

#include "support.h"

namespace keyscribe::verifier {
namespace verifier_unit_test {

TEST(VerifierUnit, IsExposedByAtMostOnePointFive) {
    const auto output =
        testing::run("systemd-analyze security --no-pager --offline=true --threshold=15 " FIXTURES
                     "/../../controller/service/verifier/keyscribe-verifier.service 2>&1");
    EXPECT_EQ(output.status, 0) << output.text;
    EXPECT_NE(output.text.find("Overall exposure level"), std::string::npos) << output.text;
}

}  // namespace verifier_unit_test
}  // namespace keyscribe::verifier
