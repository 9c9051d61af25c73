// SPDX-License-Identifier: Apache-2.0
// What the daemon says where the kernel refuses its programs.
#include "controller/host/capture/lockdown.h"

#include <gtest/gtest.h>

#include "controller/host/capture/libbpf_message.h"
#include "support.h"

namespace keyscribe::capture {
namespace lockdown_test {

using testing::TempDir;
using testing::write_file;

TEST(Lockdown, ConfidentialityIsNamedWithItsCure) {
    const TempDir folder;
    const auto file = folder / "lockdown";
    EXPECT_EQ(check_lockdown(file).value(), "");
    write_file(file, "[none] integrity confidentiality\n");
    EXPECT_EQ(check_lockdown(file).value(), "none");
    write_file(file, "none [integrity] confidentiality\n");
    EXPECT_EQ(check_lockdown(file).value(), "integrity");
    write_file(file, "none integrity [confidentiality]\n");
    const auto refused = check_lockdown(file);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().hint.find("lockdown=integrity"), std::string::npos);
}

std::string message(std::size_t limit, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    std::string text = libbpf_message(format, arguments, limit);
    va_end(arguments);
    return text;
}

TEST(LibbpfMessage, OfALongOneTheEndIsKept) {
    EXPECT_EQ(message(2048, "%s: refused\n", "create"), "create: refused");
    std::string log;
    for (int i = 0; i < 1000; ++i) log += "line " + std::to_string(i) + '\n';
    const std::string text = message(64, "-- BEGIN --\n%s-- END --\n", log.c_str());
    EXPECT_TRUE(text.starts_with("...\nline ")) << text;
    EXPECT_TRUE(text.ends_with("line 999\n-- END --")) << text;
    EXPECT_LE(text.size(), 70u);
}

}  // namespace lockdown_test
}  // namespace keyscribe::capture
