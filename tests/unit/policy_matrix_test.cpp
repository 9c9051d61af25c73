// SPDX-License-Identifier: Apache-2.0
// 5,616 rules (8 actions, 18 functions, 39 conditions) beside the answers of Linux 7.3.4, and what
// the parser says of kernels that are too old for a rule.
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <vector>

#include "policy/parser.h"

namespace keyscribe::policy {
namespace policy_matrix_test {

struct Answer {
    std::string rule;
    bool taken = false;
};

std::vector<Answer> matrix() {
    std::ifstream file(FIXTURES "/policy/ima-policy-matrix-7.3.4.txt");
    std::vector<Answer> answers;
    for (std::string line; std::getline(file, line);)
        answers.push_back({line.substr(line.find('|') + 1), line.starts_with("ACCEPT|")});
    return answers;
}

std::expected<Policy, Diagnostics> parsed(const std::string& text) {
    const Source source{"x.policy", text};
    return parse({&source, 1});
}

/// Each warning's first line, without the file's name.
std::vector<std::string> warnings_of(const std::string& text) {
    std::vector<std::string> lines;
    const auto policy = parsed(text);
    EXPECT_TRUE(policy) << (policy ? "" : to_string(policy.error()));
    if (!policy) return lines;
    for (const Diagnostic& warning : policy->warnings)
        lines.push_back(headline(warning, "warning").substr(sizeof("x.policy:") - 1));
    return lines;
}

using Lines = std::vector<std::string>;

/// policy/README.md: keys are asked for the effective ids too, and for both kinds together.
const std::set<std::string> kOurs{
    "measure func=KEY_CHECK euid=0",
    "measure func=KEY_CHECK egid=0",
    "measure func=KEY_CHECK uid=0 euid=0",
    "measure func=KEY_CHECK gid=0 egid=0",
    "dont_measure func=KEY_CHECK euid=0",
    "dont_measure func=KEY_CHECK egid=0",
    "dont_measure func=KEY_CHECK uid=0 euid=0",
    "dont_measure func=KEY_CHECK gid=0 egid=0",
};

TEST(PolicyMatrix, AnswersAreThoseOfLinux73SaveForWhatIsOurs) {
    const auto answers = matrix();
    ASSERT_EQ(answers.size(), 5616u);
    std::set<std::string> different;
    for (const auto& [rule, taken] : answers)
        if (parsed(rule + "\n").has_value() != taken) different.insert(rule);
    EXPECT_EQ(different, kOurs);
}

TEST(PolicyMatrix, EveryRefusalSaysWhereAndWhy) {
    for (const auto& [rule, taken] : matrix()) {
        const auto policy = parsed(rule);
        if (policy) continue;
        for (const Diagnostic& error : policy.error().errors) {
            EXPECT_EQ(error.line, 1u) << rule;
            EXPECT_GE(error.column, 1u) << rule;
            EXPECT_LE(error.column, rule.size() + 1) << rule;
            EXPECT_FALSE(error.message.empty()) << rule;
            EXPECT_FALSE(error.expected.empty()) << rule;
        }
    }
}

TEST(PolicyMatrix, CommentBehindARule) {
    const auto policy = parsed(
        "measure func=KEY_CHECK keyrings=.ima # machine owner, op=nonsense \x1b\n"
        "dont_measure fsmagic=0x9fa0\t\t# PROC_SUPER_MAGIC\n"
        "measure func=KEY_CHECK keyrings=a#b\n");
    ASSERT_TRUE(policy) << to_string(policy.error());
    ASSERT_EQ(policy->rules.size(), 2u);
    EXPECT_EQ(policy->rules[0].keyrings, std::vector<std::string>{".ima"});
    EXPECT_EQ(policy->rules[1].keyrings, std::vector<std::string>{"a#b"});
    EXPECT_FALSE(parsed("measure func=KEY_CHECK keyrings=.ima \x1b # machine owner\n"));
}

TEST(PolicyMatrix, AppraiseTypesThatDoNotGoTogether) {
    for (const char* types :
         {"sigv3", "imasig", "imasig|modsig", "imasig appraise_type=imasig|modsig",
          "sigv3 appraise_type=imasig", "imasig|modsig appraise_type=sigv3"})
        EXPECT_TRUE(parsed("appraise func=MODULE_CHECK appraise_type=" + std::string(types)))
            << types;
    for (const char* types :
         {"sigv3 appraise_type=imasig|modsig", "sigv2", "modsig", "imasig|sigv3"})
        EXPECT_FALSE(parsed("appraise func=MODULE_CHECK appraise_type=" + std::string(types)))
            << types;
    for (const char* words :
         {"digest_type=verity appraise_type=imasig|modsig", "digest_type=verity digest_type=ima",
          "appraise_type=imasig|modsig digest_type=verity"})
        EXPECT_FALSE(parsed("appraise func=BPRM_CHECK " + std::string(words))) << words;
}

TEST(PolicyMatrix, SaysWhichKernelIsTooOld) {
    EXPECT_EQ(warnings_of("dont_audit fsmagic=0x9fa0\n"
                          "dont_audit fsmagic=0x9fa1 # again\n"
                          "dont_measure fsname=fuse fs_subtype=sshfs\n"
                          "appraise func=BPRM_CHECK appraise_type=sigv3\n"
                          "appraise func=BPRM_CHECK appraise_type=imasig digest_type=verity\n"
                          "measure func=MMAP_CHECK_REQPROT\n"
                          "appraise appraise_algos=sha256,sha3-256\n"
                          "measure func=KEY_CHECK appraise_flag=check_blacklist\n"
                          "appraise func=MODULE_CHECK appraise_type=sigv3\n"
                          "appraise appraise_type=sigv3 digest_type=verity\n"),
              (Lines{"1:1: warning: Linux before 6.19 refuses 'dont_audit'",
                     "2:27: warning: Linux before 6.14 refuses a comment behind a rule",
                     "3:26: warning: Linux before 6.19 refuses 'fs_subtype'",
                     "4:26: warning: Linux before 7.1 refuses appraise_type=sigv3 without "
                     "digest_type=verity",
                     "5:59: warning: Linux before 7.1 refuses digest_type= behind appraise_type=",
                     "6:14: warning: Linux before 6.3 refuses 'MMAP_CHECK_REQPROT'",
                     "7:32: warning: Linux before 6.7 refuses 'sha3-256'",
                     "8:24: warning: Linux before 6.6 refuses appraise_flag= without "
                     "appraise_type=imasig|modsig",
                     "9:28: warning: Linux before 7.2 refuses appraise_type=sigv3 with "
                     "func=MODULE_CHECK"}));
}

TEST(PolicyMatrix, NoKernelIsTooOldForWhatLinux61Takes) {
    EXPECT_EQ(warnings_of("appraise func=BPRM_CHECK digest_type=verity appraise_type=sigv3\n"
                          "appraise func=MODULE_CHECK appraise_type=imasig|modsig "
                          "appraise_flag=check_blacklist\n"
                          "measure func=KEY_CHECK keyrings=.ima\n"),
              Lines{});
}

TEST(PolicyMatrix, AFileWithOurOwnWordsIsNoneForTheKernel) {
    EXPECT_EQ(warnings_of("measure func=KEY_CHECK keyrings=.ima op=all # machine owner\n"),
              Lines{});
}

}  // namespace policy_matrix_test
}  // namespace keyscribe::policy
