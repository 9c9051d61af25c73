// SPDX-License-Identifier: Apache-2.0
// What `keyscribe` prints: bytes of others', and outputs that cannot be written.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "controller/list/json_text.h"
#include "support.h"
#include "tests/support/host.h"

namespace keyscribe {
namespace output_test {

using nlohmann::json;
using testing::run;
using testing::TempDir;
using testing::write_file;

/// DEL, a C1 control, a mark that turns the direction of text, and a byte that is no UTF-8.
const std::string kForeign = "a\x7f\xc2\x9b\xe2\x80\xae\xff\n";

TEST(JsonText, IsAsciiAlone) {
    for (const int indent : {-1, 2}) {
        const std::string text = list::json_text(json{{"name", kForeign}}, indent);
        EXPECT_NE(text.find(R"("a\u007f\u009b\u202e\ufffd\n")"), std::string::npos) << text;
    }
    // Nothing that JSON can say is lost.
    const json name = "Schl\xc3\xbcssel \xf0\x9f\x94\x91 \\u202e \x1b";
    EXPECT_EQ(json::parse(list::json_text(name)), name);
}

TEST(JsonText, TheSameWhenItIsAppended) {
    for (const std::string text : {"", "plain text", "a \"quoted\" one", "a\\b", "tab\t", "\x7f",
                                   "\u00fc", "\u202e", "\xff\xfe"}) {
        std::string to = "before";
        list::append_json_text(to, text);
        EXPECT_EQ(to, "before" + list::json_text(json(text)));
    }
    std::string to;
    list::append_json_text(to, std::string_view("a\0b", 3));
    EXPECT_EQ(to, R"("a\u0000b")");
}

class Unwritable : public ::testing::TestWithParam<const char*> {};

/// Each of these succeeds where its output can be written.
TEST_P(Unwritable, IsStatus2) {
    const TempDir directory;
    write_file(directory / "rules", "measure func=KEY_CHECK keyrings=.ima\n");
    write_file(directory / "keyscribe.toml",
               "[policy]\ndirectory = \"" + directory.path().string() + "/policy.d\"\n");
    std::filesystem::create_directory(directory / "policy.d");
    write_file(directory / "policy.d/ima.policy", "measure func=KEY_CHECK keyrings=.ima\n");
    const std::string command = "cd " + directory.path().string() +
                                " && " KEYSCRIBE " --config keyscribe.toml " + GetParam();
    ASSERT_EQ(run(command).status, 0) << run(command).text;
    const auto full = run("(" + command + " >/dev/full)");
    EXPECT_EQ(full.status, 2) << full.text;
    EXPECT_NE(full.text.find("cannot write the standard output"), std::string::npos) << full.text;
    const auto closed = run("(" + command + " >&-)");
    EXPECT_EQ(closed.status, 2) << closed.text;
}

INSTANTIATE_TEST_SUITE_P(EachCommand, Unwritable,
                         ::testing::Values("--version", "--help", "policy check rules",
                                           "policy show", "policy explain --keyring .ima"));

/// A host that is affirmed, and the command that appraises it with a state.
class Appraising : public ::testing::Test {
  protected:
    Appraising() {
        host_.good();
        std::filesystem::create_directory(directory_ / "references");
        write("references/builtin.der", host_.builtin);
        write("references/ima.der", host_.ima);
        write("evidence", host_.encoded());
        write("ak.pem", host_.quote.pem());
    }
    void write(const char* name, const auto& bytes) {
        write_file(directory_ / name, std::string(bytes.begin(), bytes.end()));
    }
    std::string command() const {
        return "cd " + directory_.path().string() +
               " && " KEYSCRIBE
               " appraise evidence --ak ak.pem --state state --reference-values references "
               "--nonce " +
               to_hex(host_.quote.nonce);
    }

    TempDir directory_;
    testing::Host host_;
};

/// A verdict that nobody got has to be given once more, of the same evidence.
TEST_F(Appraising, AVerdictThatNobodyGotKeepsNoState) {
    EXPECT_EQ(run("(" + command() + " >/dev/full)").status, 2);
    EXPECT_EQ(run("(" + command() + " >&-)").status, 2);
    // Whoever was to read it is gone.
    const auto unread = run("bash -c 'exec 3> >(:); wait $!; " + command() + " >&3'");
    EXPECT_EQ(unread.status, 2) << unread.text;
    EXPECT_FALSE(std::filesystem::exists(directory_ / "state"));
    const auto again = run(command());
    EXPECT_EQ(again.status, 0) << again.text;
    EXPECT_TRUE(std::filesystem::exists(directory_ / "state"));
}

TEST_F(Appraising, OfManyRunsAtOnceTheEvidenceCountsInOne) {
    std::atomic<int> affirmed = 0, repeated = 0;
    {
        std::vector<std::jthread> runs;
        for (int i = 0; i < 8; ++i)
            runs.emplace_back([&] {
                const auto done = run(command());
                if (done.status == 0) ++affirmed;
                if (done.status == 2 && done.text.contains("quote-repeated")) ++repeated;
            });
    }
    EXPECT_EQ(affirmed, 1);
    EXPECT_EQ(repeated, 7);
}

}  // namespace output_test
}  // namespace keyscribe
