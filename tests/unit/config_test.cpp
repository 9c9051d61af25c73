// SPDX-License-Identifier: Apache-2.0
#include "controller/host/settings/config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <fstream>
#include <string>

namespace keyscribe {
namespace config_test {

using namespace std::chrono_literals;

settings::Config accepted(const std::string& text) {
    auto config = settings::parse_config(text, "k.toml");
    EXPECT_TRUE(config) << text << '\n' << to_string(config.error());
    return config.value_or(settings::Config{});
}

struct Refused {
    const char* text;
    const char* where;  ///< line:column
    const char* says;   ///< somewhere in the message
};

void expect_refused(const Refused& refused) {
    SCOPED_TRACE(refused.text);
    const auto config = settings::parse_config(refused.text, "k.toml");
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().where, std::string("k.toml:") + refused.where);
    EXPECT_NE(to_string(config.error()).find(refused.says), std::string::npos)
        << to_string(config.error());
    EXPECT_FALSE(config.error().hint.empty());
}

TEST(Config, Defaults) {
    const settings::Config config = accepted("");
    EXPECT_EQ(config.tpm.tcti, "device:/dev/tpmrm0");
    EXPECT_EQ(config.tpm.pcr, 13u);
    EXPECT_FALSE(config.tpm.force_resettable_pcr);
    EXPECT_EQ(config.capture.ring_size, settings::default_ring_size());
    EXPECT_EQ(config.capture.hook, "auto");
    EXPECT_EQ(config.spool.max_size, 128u << 20);
    EXPECT_EQ(config.spool.deadline, 0s);
    EXPECT_EQ(config.policy.directory, "/etc/keyscribe/policy.d");
    EXPECT_EQ(config.list.directory, "/run/keyscribe");
    EXPECT_EQ(config.list.former, "/var/lib/keyscribe/former-list");
    EXPECT_TRUE(config.list.text);
    EXPECT_EQ(config.list.max_share, 50u);
    EXPECT_EQ(config.list.user_budget, 4u << 20);
    EXPECT_TRUE(config.journal.enabled);
    EXPECT_EQ(config.journal.directory, "/var/log/keyscribe");
    EXPECT_EQ(config.journal.max_size, 16u << 20);
    EXPECT_EQ(config.journal.files, 4u);
    EXPECT_EQ(config.control.socket, "/run/keyscribe/control.sock");
    EXPECT_EQ(config.control.group, "keyscribe");
    EXPECT_EQ(config.verifier.directory, "/var/lib/keyscribe/verifier");
    EXPECT_EQ(config.log.level, "info");
}

TEST(Config, TheRingGrowsWithTheMemory) {
    constexpr std::uint64_t kMiB = 1 << 20, kGiB = 1 << 30;
    const auto size = [](std::uint64_t memory) { return settings::ring_size_for(memory) / kMiB; };
    EXPECT_EQ(size(0), 8u);
    EXPECT_EQ(size(1 * kGiB), 8u);
    EXPECT_EQ(size(2 * kGiB), 8u);
    EXPECT_EQ(size(4 * kGiB), 16u);
    // Of 8 GiB the kernel keeps some.
    EXPECT_EQ(size(8 * kGiB - 300 * kMiB), 32u);
    EXPECT_EQ(size(8 * kGiB), 32u);
    EXPECT_EQ(size(16 * kGiB), 64u);
    EXPECT_EQ(size(1024 * kGiB), 64u);
    EXPECT_EQ(size(UINT64_MAX), 64u);
    EXPECT_TRUE(std::has_single_bit(settings::default_ring_size()));
}

TEST(Config, EverySetting) {
    const settings::Config config = accepted(R"(
[tpm]
tcti = "swtpm:path=/tmp/s"
pcr = 16
force_resettable_pcr = true
[capture]
ring_size = "64 KiB"
hook = "fentry"
detach_on_stop = true
[spool]
max_size = "1GiB"
deadline = "5min"
[policy]
directory = "/p"
[list]
directory = "/l"
[journal]
enabled = false
directory = "/j"
max_size = 1048576
files = 9
[control]
socket = "/s"
group = "g"
[verifier]
directory = "/v"
[log]
level = "debug"
)");
    EXPECT_EQ(config.verifier.directory, "/v");
    EXPECT_EQ(config.tpm.tcti, "swtpm:path=/tmp/s");
    EXPECT_EQ(config.tpm.pcr, 16u);
    EXPECT_TRUE(config.tpm.force_resettable_pcr);
    EXPECT_EQ(config.capture.ring_size, 64u << 10);
    EXPECT_EQ(config.capture.hook, "fentry");
    EXPECT_TRUE(config.capture.detach_on_stop);
    EXPECT_EQ(config.spool.max_size, 1u << 30);
    EXPECT_EQ(config.spool.deadline, 300s);
    EXPECT_EQ(config.policy.directory, "/p");
    EXPECT_EQ(config.list.directory, "/l");
    EXPECT_FALSE(config.journal.enabled);
    EXPECT_EQ(config.journal.directory, "/j");
    EXPECT_EQ(config.journal.max_size, 1u << 20);
    EXPECT_EQ(config.journal.files, 9u);
    EXPECT_EQ(config.control.socket, "/s");
    EXPECT_EQ(config.control.group, "g");
    EXPECT_EQ(config.log.level, "debug");
}

/// The shipped file says in comments what the defaults are; they must be true, and complete.
TEST(Config, TheShippedFileTellsTheDefaults) {
    std::ifstream file(FIXTURES "/../../controller/host/units/keyscribe.toml");
    ASSERT_TRUE(file);
    std::string text;
    int settings = 0;
    for (std::string line; std::getline(file, line);) {
        const auto name_end = line.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", 2);
        const bool setting = line.starts_with("# ") && name_end != std::string::npos &&
                             line.substr(name_end, 3) == " = ";
        settings += setting;
        text += (setting ? line.substr(2) : line) + '\n';
    }
    EXPECT_EQ(settings, 24);
    const settings::Config said = accepted(text), real;
    EXPECT_EQ(said.tpm.tcti, real.tpm.tcti);
    EXPECT_EQ(said.tpm.pcr, real.tpm.pcr);
    EXPECT_EQ(said.tpm.force_resettable_pcr, real.tpm.force_resettable_pcr);
    EXPECT_EQ(said.attest.ak_handle, real.attest.ak_handle);
    EXPECT_EQ(said.attest.ek, real.attest.ek);
    EXPECT_EQ(said.capture.ring_size, settings::ring_size_for(0));  // the others: by memory
    EXPECT_EQ(said.capture.hook, real.capture.hook);
    EXPECT_EQ(said.capture.detach_on_stop, real.capture.detach_on_stop);
    EXPECT_EQ(said.spool.max_size, real.spool.max_size);
    EXPECT_EQ(said.spool.deadline, real.spool.deadline);
    EXPECT_EQ(said.verifier.directory, real.verifier.directory);
    EXPECT_EQ(said.policy.directory, real.policy.directory);
    EXPECT_EQ(said.list.directory, real.list.directory);
    EXPECT_EQ(said.journal.enabled, real.journal.enabled);
    EXPECT_EQ(said.journal.directory, real.journal.directory);
    EXPECT_EQ(said.journal.max_size, real.journal.max_size);
    EXPECT_EQ(said.journal.files, real.journal.files);
    EXPECT_EQ(said.control.socket, real.control.socket);
    EXPECT_EQ(said.control.group, real.control.group);
    EXPECT_EQ(said.log.level, real.log.level);
}

TEST(Config, UnknownNamesAreRefused) {
    expect_refused({"[tpm]\npcr = 13\npcrs = 13\n", "3:1", "did you mean 'pcr'?"});
    expect_refused({"[jurnal]\nfiles = 1\n", "1:2", "did you mean 'journal'?"});
    expect_refused({"[capture]\n  ringsize = 1\n", "2:3", "did you mean 'ring_size'?"});
    expect_refused({"[journal]\nxyzzyxyzzy = 1\n", "2:1", "known are: enabled, directory"});
    expect_refused({"\n[frobnication]\n", "2:2", "known are: tpm, attest, capture"});
    expect_refused({"pcr = 13\n", "1:1", "unknown section or setting 'pcr'"});
    expect_refused({"[tpm.deeper]\npcr = 13\n", "1:6", "unknown setting 'tpm.deeper'"});
    expect_refused({"[tpm]\n\"a\\u001b[31m\" = 1\n", "2:1", "\\x1b"});
}

TEST(Config, WrongTypesAreRefused) {
    expect_refused({"tpm = 13\n", "1:1", "write [tpm]"});
    expect_refused({"[[tpm]]\npcr = 13\n", "1:3", "write [tpm]"});
    expect_refused({"[tpm]\npcr = \"13\"\n", "2:7", "a number from 0 to 23"});
    expect_refused({"[tpm]\npcr = 13.0\n", "2:7", "a number"});
    expect_refused({"[tpm]\npcr = true\n", "2:7", "a number"});
    expect_refused({"[tpm]\ntcti = 1\n", "2:8", "a text in quotes"});
    expect_refused({"[tpm]\nforce_resettable_pcr = 1\n", "2:24", "true or false"});
    expect_refused({"[capture]\nring_size = [1]\n", "2:13", "a power of two"});
    expect_refused({"[log]\nlevel = 3\n", "2:9", "\"debug\""});
}

TEST(Config, BadValuesAreRefused) {
    expect_refused({"[tpm]\npcr = 24\n", "2:7", "tpm.pcr"});
    expect_refused({"[tpm]\npcr = -1\n", "2:7", "tpm.pcr"});
    expect_refused({"[tpm]\ntcti = \"\"\n", "2:8", "tpm.tcti"});
    expect_refused({"[capture]\nhook = \"uprobe\"\n", "2:8", "\"auto\""});
    expect_refused({"[policy]\ndirectory = \"policy.d\"\n", "2:13", "an absolute path"});
    expect_refused({"[journal]\nfiles = 0\n", "2:9", "from 1 to 1000"});
    expect_refused({"[log]\nlevel = \"loud\"\n", "2:9", "log.level"});
    for (const char* size :
         {"\"32 KiB\"", "\"512 MiB\"", "\"96 KiB\"", "\"8 MB\"", "\"MiB\"", "\"\"", "\"-8 MiB\"",
          "\"8 MiB \"", "\"8.5 MiB\"", "0", "-1",
          // wraps around to one allowed size or another
          "\"17179869185 GiB\"", "\"18446744073709551616\"", "\"99999999999999999999999 KiB\""})
        expect_refused(
            {("[capture]\nring_size = " + std::string(size)).c_str(), "2:13", "capture.ring_size"});
    for (const char* time : {"\"5 years\"", "\"-1s\"", "-1", "\"1h30min\"", "\"99999999999 h\""})
        expect_refused(
            {("[spool]\ndeadline = " + std::string(time)).c_str(), "2:12", "spool.deadline"});
}

TEST(Config, BadTomlIsRefused) {
    expect_refused({"[tpm\n", "1:5", "TOML"});
    expect_refused({"[tpm]\npcr = 13\npcr = 14\n", "3:7", "pcr"});
    expect_refused({"[#tpm]\n", "1:2", "TOML"});
    expect_refused({"[tpm]\npcr =\n", "2:6", "TOML"});
    EXPECT_FALSE(settings::parse_config("[tpm]\ntcti = \"\xff\xfe\"\n", "k.toml"));
    EXPECT_FALSE(settings::parse_config(std::string_view("[tpm]\0", 6), "k.toml"));
    EXPECT_FALSE(settings::parse_config("x = " + std::string(100000, '['), "k.toml"));
}

TEST(Config, Times) {
    EXPECT_EQ(accepted("[spool]\ndeadline = \"90s\"").spool.deadline, 90s);
    EXPECT_EQ(accepted("[spool]\ndeadline = \"5 min\"").spool.deadline, 5min);
    EXPECT_EQ(accepted("[spool]\ndeadline = \"2h\"").spool.deadline, 2h);
    EXPECT_EQ(accepted("[spool]\ndeadline = \"0\"").spool.deadline, 0s);
    EXPECT_EQ(accepted("[spool]\ndeadline = 7").spool.deadline, 7s);
}

TEST(Config, Files) {
    const auto missing = settings::load_config("/nonexistent/keyscribe.toml");
    ASSERT_TRUE(missing);
    EXPECT_EQ(missing->tpm.pcr, 13u);
    const auto directory = settings::load_config("/etc");  // which is no empty file
    ASSERT_FALSE(directory);
    EXPECT_EQ(directory.error().where, "/etc");

    char name[] = "/tmp/keyscribe-config-XXXXXX";
    const int fd = ::mkstemp(name);
    ASSERT_GE(fd, 0);
    ::close(fd);
    EXPECT_TRUE(settings::load_config(name));
    std::ofstream(name) << "[tpm]\npcr = 99\n";
    const auto wrong = settings::load_config(name);
    ::unlink(name);
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().where, std::string(name) + ":2:7");
}

TEST(Config, TextThatIsNotAsciiIsRefusedOutsideOfStrings) {
    for (const auto& [text, where] : std::vector<std::pair<std::string, std::string>>{
             {"\xc3\xa4 = 1\n", "f:1:1"},
             {"# \xc3\xa4\n[tpm]\npcr = \xe2\x88\x9e\n", "f:3:7"},
             {"[log]\nlevel = \"\\\"\" \xff", "f:2:13"},
             {"a = \'\'\'\n\xc3\xa4\'\'\'\n[\xc3\xa4]", "f:3:2"}}) {
        const auto config = settings::parse_config(text, "f");
        ASSERT_FALSE(config) << text;
        EXPECT_EQ(config.error().where, where);
    }
    const auto inside =
        settings::parse_config("# \xc3\xa4\n[control]\ngroup = \"\xc3\xa4\"\n", "f");
    ASSERT_TRUE(inside) << to_string(inside.error());
    EXPECT_EQ(inside->control.group, "\xc3\xa4");
}

}  // namespace config_test
}  // namespace keyscribe
