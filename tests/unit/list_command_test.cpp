// SPDX-License-Identifier: Apache-2.0
// `keyscribe list`, as somebody at a shell reads it.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "controller/cli/commands.h"
#include "support.h"
#include "tests/support/host.h"

namespace keyscribe::cli {
namespace list_command_test {

using testing::Host;
using testing::TempDir;

class ListCommand : public ::testing::Test {
  protected:
    void SetUp() override {
        std::ofstream(dir / "keyscribe.toml")
            << "[list]\ndirectory = \"" << dir.path().string() << "\"\n[journal]\ndirectory = \""
            << dir.path().string() << "\"\n";
        std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot_id);
        std::filesystem::create_directories(dir / boot_id);
    }

    void journal(const std::string& lines, const char* name = "events.jsonl") {
        std::ofstream(dir / boot_id / name) << lines;
    }

    /// The lines that it prints.
    std::vector<std::string> list(std::vector<std::string> arguments) {
        std::ofstream(dir / "binary_runtime_measurements")
            .write(reinterpret_cast<const char*>(host.list.bytes.data()),
                   static_cast<std::streamsize>(host.list.bytes.size()));
        CLI::App app;
        Context context;
        context.config_file = dir / "keyscribe.toml";
        add_list(app, context);
        arguments.insert(arguments.begin(), "list");
        std::ranges::reverse(arguments);
        ::testing::internal::CaptureStdout();
        app.parse(arguments);
        std::istringstream output(::testing::internal::GetCapturedStdout());
        EXPECT_EQ(context.exit_status, 0);
        std::vector<std::string> lines;
        for (std::string line; std::getline(output, line);) lines.push_back(line);
        return lines;
    }

    TempDir dir;
    std::string boot_id;
    Host host;
};

/// What stands behind the time.
std::string behind_time(const std::string& line) { return line.substr(line.find('\t') + 1); }

TEST_F(ListCommand, entries_are_chosen_by_name) {
    host.good();
    EXPECT_EQ(list({"--format", "json", "--name", "keyscribe:start"}).size(), 1u);
    EXPECT_EQ(list({"--format", "json", "--name", ".ima"}).size(), 1u);
    EXPECT_EQ(list({"--name", ".ima", "--name", "boot_aggregate"}).size(), 2u);
    EXPECT_TRUE(list({"--name", "keyscribe:loss"}).empty());
}

TEST_F(ListCommand, an_event_is_one_line_and_says_who_did_it) {
    host.good();
    host.event("unlink", 300, ".ima", "File signer: 11");
    journal(
        R"({"seq":1,"boot_time_ns":10,"actor":{"exe":"/usr/bin/keyctl","pid":77,"uid":0,"comm":"keyctl"}})"
        "\n");
    const auto lines = list({"--format", "events"});
    ASSERT_GE(lines.size(), 7u);
    EXPECT_EQ(behind_time(lines[0]).substr(0, 6), "start\t");
    const std::size_t last = lines.size() - 1;
    EXPECT_EQ(behind_time(lines[last - 1]),
              "create\t.ima\tasymmetric File signer: 11 (300)\t/usr/bin/keyctl (pid 77, uid 0)");
    EXPECT_EQ(behind_time(lines[last]), "unlink\t.ima\tasymmetric File signer: 11 (300)\t");
    // "2026-11-29 20:41:02.123"
    EXPECT_EQ(lines[last].find('\t'), 23u) << lines[last];
    EXPECT_EQ(lines[last][19], '.');
}

TEST_F(ListCommand, a_number_that_comes_again_blames_nobody_else) {
    host.good();
    journal(
        R"({"seq":1,"boot_time_ns":9,"actor":{"exe":"/usr/bin/innocent","pid":77,"uid":0,"comm":"x"}})"
        "\n");
    EXPECT_EQ(behind_time(list({"--format", "events"}).back()),
              "create\t.ima\tasymmetric File signer: 11 (300)\t");
}

TEST_F(ListCommand, who_did_it_is_found_in_the_journals_old_files_and_is_safe_to_print) {
    host.good();
    journal(
        R"({"seq":1,"boot_time_ns":10,"actor":{"exe":null,"pid":5,"uid":1000,"comm":"a\u001b[31m\tb"}})"
        "\n",
        "events.jsonl.2");
    journal("no JSON\n[1]\n{\"seq\":\"x\",\"actor\":{}}\n{\"seq\":1,\"actor\":7}\n");
    journal("", "events.jsonl.1");
    EXPECT_EQ(behind_time(list({"--format", "events"}).back()),
              "create\t.ima\tasymmetric File signer: 11 (300)\ta\\033[31m\\011b (pid 5, uid 1000)");
}

TEST_F(ListCommand, what_was_not_seen_is_a_line) {
    host.good();
    host.list.record("loss", {{"first", 2}, {"last", 5}, {"count", 4}});
    host.list.buf(".ima", host.ima);
    host.list.record(
        "drop", {{"reason", "budget"}, {"count", 3}, {"first", 6}, {"last", 9}, {"uid", 1000}});
    const auto lines = list({"--format", "events"});
    const std::size_t last = lines.size() - 1;
    EXPECT_EQ(behind_time(lines[last - 2]), "loss\t\t4 operations, 2 to 5, were not recorded\t");
    EXPECT_EQ(behind_time(lines[last - 1]),
              "payload\t.ima\t" + std::to_string(host.ima.size()) + " bytes\t");
    EXPECT_EQ(behind_time(lines[last]),
              "drop\t\t3 operations were given up: budget, of uid 1000\t");
}

TEST_F(ListCommand, the_text_has_an_entry_a_line) {
    host.good();
    const auto lines = list({});
    EXPECT_EQ(lines.size(), host.list.entries);
    EXPECT_EQ(lines[0].substr(0, 17), "     0  PCR 13  s");
    EXPECT_EQ(lines.back().find('\x1b'), std::string::npos);
}

}  // namespace list_command_test
}  // namespace keyscribe::cli
