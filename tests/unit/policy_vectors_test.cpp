// SPDX-License-Identifier: Apache-2.0
// The parser's answers beside those of real kernels, and what it says of the rules it refuses.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>

#include "policy/parser.h"

namespace keyscribe::policy {
namespace policy_vectors_test {

/// Rule to whether the kernel took it.
std::map<std::string, bool> kernel_answers(const std::string& release) {
    std::ifstream file(std::string(FIXTURES "/policy/ima-policy-rules-") + release + ".txt");
    std::map<std::string, bool> answers;
    for (std::string line; std::getline(file, line);)
        answers[line.substr(line.find(" | ") + 3)] = line.starts_with("ACCEPT");
    return answers;
}

bool accepted(const std::string& rule) {
    const Source source{"vector.policy", rule + "\n"};
    return parse({&source, 1}).has_value();
}

/// Rules of the vectors that the parser and the kernel judge differently.
std::set<std::string> differences(const std::string& release) {
    std::set<std::string> rules;
    for (const auto& [rule, taken] : kernel_answers(release))
        if (accepted(rule) != taken) rules.insert(rule);
    return rules;
}

/// What is ours: more conditions, the first spelling, and no PCR that no TPM has.
const std::set<std::string> kOurs{
    "measure func=KEY_CHECK euid=0",     "measure func=KEY_CHECK egid=0",
    "measure func=KEY_CHECK pcr=24",     "measure func=KEY_CHECK pcr=63",
    "measure func=BUILTIN_TRUSTED_KEYS",
};

TEST(PolicyVectors, AreAllThere) {
    EXPECT_EQ(kernel_answers("6.1.192").size(), 84u);
    EXPECT_EQ(kernel_answers("6.12.117").size(), 84u);
}

/// Those of which the parser says that this kernel, or a newer one, is too old for them.
std::set<std::string> told(const std::set<std::string>& rules) {
    std::set<std::string> told;
    for (const std::string& rule : rules) {
        const Source source{"vector.policy", rule + "\n"};
        const auto policy = parse({&source, 1});
        if (policy && !policy->warnings.empty() &&
            policy->warnings.back().message.starts_with("Linux before"))
            told.insert(rule);
    }
    return told;
}

/// policy_matrix_test compares with Linux 7.3, whose language this is.
TEST(PolicyVectors, WhatAnOlderKernelRefusesIsToldSaveForWhatIsOurs) {
    const std::set<std::string> since_614{"measure func=KEY_CHECK # trailing comment",
                                          "measure func=KEY_CHECK keyrings=.ima #x"};
    std::set<std::string> expected = kOurs;
    expected.insert(since_614.begin(), since_614.end());
    EXPECT_EQ(differences("6.12.117"), expected);
    EXPECT_EQ(told(differences("6.12.117")), since_614);

    std::set<std::string> since_66 = since_614;
    since_66.insert("measure func=KEY_CHECK appraise_flag=check_blacklist");
    since_66.insert("measure func=KEY_CHECK appraise_flag=whatever");
    expected.insert(since_66.begin(), since_66.end());
    EXPECT_EQ(differences("6.1.192"), expected);
    EXPECT_EQ(told(differences("6.1.192")), since_66);
}

TEST(PolicyVectors, EveryRefusalSaysWhereAndWhy) {
    for (const auto& [rule, taken] : kernel_answers("6.12.117")) {
        if (accepted(rule)) continue;
        const Source source{"vector.policy", rule};
        const auto policy = parse({&source, 1});
        ASSERT_FALSE(policy);
        for (const Diagnostic& error : policy.error().errors) {
            EXPECT_EQ(error.line, 1u) << rule;
            EXPECT_GE(error.column, 1u) << rule;
            EXPECT_LE(error.column, rule.size() + 1) << rule;
            EXPECT_FALSE(error.message.empty()) << rule;
            EXPECT_FALSE(error.expected.empty()) << rule;
            EXPECT_EQ(error.caret + 1, error.column) << rule;
        }
    }
}

}  // namespace policy_vectors_test
}  // namespace keyscribe::policy
