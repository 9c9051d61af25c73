// SPDX-License-Identifier: Apache-2.0
// What shells complete, asked of the shells themselves.
#include <gtest/gtest.h>

#include "support.h"

namespace keyscribe::cli {
namespace completion_test {

using testing::run;

/// What bash offers behind these words, the last of which is begun; a line each.
std::string bash_offers(const std::string& words, const std::string& folder = "/nonexistent") {
    return run("cd / && bash -c '. <(" KEYSCRIBE " completion bash); cd " + folder +
               " 2>/dev/null; COMP_WORDS=(" + words +
               "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _keyscribe; printf \"%s\\n\" "
               "\"${COMPREPLY[@]}\"'")
        .text;
}

std::string first(const std::string& text) { return text.substr(0, text.find('\n')); }

TEST(Completion, BashOffersCommandsOptionsAndTheirValues) {
    EXPECT_EQ(bash_offers("keyscribe ref"), "references\n");
    EXPECT_EQ(bash_offers("keyscribe references i"), "import\n");
    EXPECT_EQ(bash_offers("keyscribe list --fo"), "--format\n--follow\n");
    EXPECT_EQ(bash_offers("keyscribe list --format cel-"), "cel-json\ncel-cbor\ncel-tlv\n");
    EXPECT_EQ(bash_offers("keyscribe ak create --algorithm rsap"), "rsapss\n");
    EXPECT_EQ(bash_offers("keyscribe appraise --nonce \"\""), "\n") << "nobody knows it";
    const testing::TempDir folder;
    testing::write_file(folder / "a.evidence", "");
    EXPECT_EQ(bash_offers("keyscribe appraise a", folder.path().string()), "a.evidence\n");
    EXPECT_EQ(bash_offers("keyscribe appraise --ak a", folder.path().string()), "a.evidence\n");
    // Each command that --help names, and none besides.
    const std::string commands = bash_offers("keyscribe \"\"");
    for (const char* command : {"status", "list", "policy", "references", "evidence"})
        EXPECT_NE(commands.find(std::string(command) + '\n'), std::string::npos) << command;
}

TEST(Completion, OtherShellsTakeTheirScripts) {
    const char* zsh = "bash -c 'zsh -n <(" KEYSCRIBE " completion zsh)'";
    const auto checked = run(zsh);
    EXPECT_EQ(checked.status, 0);
    EXPECT_EQ(checked.text, "");
    const std::string offered =
        run("bash -c 'fish -c \"source (" KEYSCRIBE
            " completion fish | psub); complete -C \\\"keyscribe references imp\\\"\"'")
            .text;
    EXPECT_EQ(first(offered).substr(0, 6), "import") << offered;
    EXPECT_NE(run(KEYSCRIBE " completion tcsh").status, 0);
}

}  // namespace completion_test
}  // namespace keyscribe::cli
