// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "controller/service/verifier/commands.h"

namespace keyscribe::verifier {
namespace verifier_commands_test {

TEST(VerifierCommands, ATimeIsAsItIsWrittenOrNone) {
    EXPECT_EQ(*parse_time("2026-12-01"), 1796083200);
    EXPECT_EQ(*parse_time("2026-12-01T08:00:01Z"), 1796112001);
    EXPECT_EQ(*parse_time("2028-02-29"), 1835395200);
    EXPECT_EQ(*parse_time("9999-12-31"), kNever);
    for (const char* text : {"", "2026-02-31", "2026-02-29", "2026-13-01", "2026-12-01T24:00:00Z",
                             "2026-12-01T08:00:60Z", "2026-12-01T08:00:00",
                             "2026-12-01T08:00:00+01:00", "1969-12-31", "tomorrow", "2026-12-01 "})
        EXPECT_FALSE(parse_time(text)) << text;
}

}  // namespace verifier_commands_test
}  // namespace keyscribe::verifier
