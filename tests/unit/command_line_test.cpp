// SPDX-License-Identifier: Apache-2.0
#include "controller/base/command_line.h"

#include <gtest/gtest.h>

#include <string>

namespace keyscribe {
namespace command_line_test {

/// Whoever uploads evidence gives it its name, and a shell passes on what `*.evidence` matches.
TEST(CommandLine, FileNamesReachNoTerminalRaw) {
    const std::string nasty = "a\x1b[31m\n\x9b\xe2\x80\xae";
    for (const std::string& argument : {nasty, "--" + nasty, "-" + nasty}) {
        CLI::App app("x", "x");
        std::string file;
        app.add_option("file", file)->check(CLI::ExistingFile);
        std::string name = "x", written = argument;
        char* arguments[] = {name.data(), written.data(), nullptr};
        ::testing::internal::CaptureStderr();
        const auto status = base::parse_command_line(app, 2, arguments);
        const std::string told = ::testing::internal::GetCapturedStderr();
        ASSERT_TRUE(status);
        EXPECT_GE(*status, 100);
        EXPECT_NE(told.find("\\033[31m\\012"), std::string::npos) << told;
        for (const char letter : told)
            EXPECT_TRUE(letter == '\n' || (letter >= ' ' && letter <= '~'))
                << static_cast<int>(letter);
    }
}

TEST(CommandLine, HelpIsNoError) {
    CLI::App app("x", "x");
    std::string name = "x", help = "--help";
    char* arguments[] = {name.data(), help.data(), nullptr};
    ::testing::internal::CaptureStdout();
    EXPECT_EQ(base::parse_command_line(app, 2, arguments), 0);
    EXPECT_NE(::testing::internal::GetCapturedStdout().find("Print this help"), std::string::npos);
}

}  // namespace command_line_test
}  // namespace keyscribe
