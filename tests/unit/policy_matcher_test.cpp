// SPDX-License-Identifier: Apache-2.0
#include <fnmatch.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "policy/explain.h"
#include "policy/glob.h"
#include "policy/matcher.h"
#include "policy/parser.h"

namespace keyscribe::policy {
namespace policy_matcher_test {

Policy policy_of(const std::string& text) {
    const Source source{"10-x.policy", text};
    auto policy = parse({&source, 1});
    EXPECT_TRUE(policy) << text << to_string(policy.error());
    return policy.value_or(Policy{});
}

/// The line of the rule that decides; 0: none.
std::size_t deciding_line(const std::string& text, const Subject& subject) {
    const Policy policy = policy_of(text);
    const Rule* rule = decide(policy, subject);
    return rule == nullptr ? 0 : rule->origin.line;
}

const Subject kCertificate{.operation = KS_OP_CREATE,
                           .keyring = ".ima",
                           .key_type = "asymmetric",
                           .description = "Debian: 6392",
                           .uid = 5,
                           .euid = 6,
                           .gid = 7,
                           .egid = 8};

TEST(PolicyMatcher, TheFirstMatchDecides) {
    EXPECT_EQ(deciding_line("", kCertificate), 0u);
    EXPECT_EQ(deciding_line("measure func=KEY_CHECK keyrings=.evm|.ima2|.im\n", kCertificate), 0u);
    EXPECT_EQ(deciding_line("measure func=KEY_CHECK keyrings=.evm\n"
                            "dont_measure func=KEY_CHECK keyrings=.evm|.ima\n"
                            "measure func=KEY_CHECK\n",
                            kCertificate),
              2u);
}

TEST(PolicyMatcher, EveryConditionCounts) {
    const auto matches = [](const std::string& conditions, const Subject& subject = kCertificate) {
        return deciding_line("measure func=KEY_CHECK " + conditions, subject) == 1;
    };
    EXPECT_TRUE(matches("uid=5 euid=6 gid=7 egid=8"));
    EXPECT_TRUE(matches("uid<6 euid>5 gid<8 egid>7"));
    EXPECT_FALSE(matches("uid=6"));
    EXPECT_FALSE(matches("uid<5"));
    EXPECT_FALSE(matches("uid>5"));
    EXPECT_FALSE(matches("euid=5"));
    EXPECT_FALSE(matches("gid=5"));
    EXPECT_FALSE(matches("egid=5"));
    EXPECT_FALSE(matches("uid<0"));
    EXPECT_FALSE(matches("uid>4294967294"));
    EXPECT_TRUE(matches("key_type=user|asymmetric"));
    EXPECT_TRUE(matches("key_type=*"));
    EXPECT_FALSE(matches("key_type=user"));
    EXPECT_TRUE(matches("op=create"));
    EXPECT_FALSE(matches("op=update"));
    EXPECT_TRUE(matches("desc=Debian*"));
    EXPECT_TRUE(matches("desc=\"Debian: [0-9]*\""));
    EXPECT_FALSE(matches("desc=Debian"));

    Subject user = kCertificate;
    user.key_type = "user";
    EXPECT_FALSE(matches("", user)) << "IMA's KEY_CHECK is about asymmetric keys";
    EXPECT_TRUE(matches("key_type=*", user));
}

TEST(PolicyMatcher, OnlyARuleThatNamesASecretTypeWantsItsPayload) {
    const Policy policy = policy_of(
        "measure func=KEY_CHECK key_type=*\n"
        "measure func=KEY_CHECK key_type=user payload=digest\n"
        "measure func=KEY_CHECK key_type=user payload=none\n");
    EXPECT_TRUE(wants_payload(policy.rules[0], "asymmetric"));
    EXPECT_FALSE(wants_payload(policy.rules[0], "user"));
    EXPECT_TRUE(wants_payload(policy.rules[1], "user"));
    EXPECT_FALSE(wants_payload(policy.rules[1], "logon"));
    EXPECT_FALSE(wants_payload(policy.rules[2], "user"));
}

TEST(PolicyExplain, SaysWhichRuleDecidesAndWhyTheOthersDoNot) {
    const Policy policy = policy_of(
        "measure func=KEY_CHECK keyrings=.evm\n"
        "measure func=KEY_CHECK key_type=user|logon payload=none\n"
        "measure func=KEY_CHECK op=update\n"
        "measure func=KEY_CHECK uid>5\n"
        "measure func=KEY_CHECK desc=Red*\n"
        "measure func=KEY_CHECK keyrings=.ima pcr=11 payload=digest\n"
        "measure func=KEY_CHECK\n");
    const Explanation explanation = explain(policy, kCertificate);
    EXPECT_EQ(explanation.decided_by, &policy.rules[5]);
    EXPECT_EQ(explanation.lines,
              (std::vector<std::string>{
                  "10-x.policy:1: measure func=KEY_CHECK keyrings=.evm",
                  "    no: keyring '.ima' is not in keyrings=",
                  "10-x.policy:2: measure func=KEY_CHECK key_type=user|logon payload=none",
                  "    no: key type 'asymmetric' is not user or logon",
                  "10-x.policy:3: measure func=KEY_CHECK op=update",
                  "    no: op create is not in op=",
                  "10-x.policy:4: measure func=KEY_CHECK uid>5",
                  "    no: uid 5 is not > 5",
                  "10-x.policy:5: measure func=KEY_CHECK desc=Red*",
                  "    no: description 'Debian: 6392' does not match desc=",
                  "10-x.policy:6: measure func=KEY_CHECK keyrings=.ima pcr=11 payload=digest",
                  "    matches",
                  "decision: measured, with the payload's digest, into PCR 11",
              }));
    EXPECT_EQ(explain(policy_of("dont_measure func=KEY_CHECK"), kCertificate).lines.back(),
              "decision: not measured");
    EXPECT_EQ(explain({}, kCertificate).lines,
              std::vector<std::string>{"no rule matches: not measured"});
}

TEST(PolicyGlob, MatchesWholeTextsOfBytes) {
    EXPECT_TRUE(glob_matches("*", ""));
    EXPECT_TRUE(glob_matches("a*c", "a/.b c"));
    EXPECT_TRUE(glob_matches("?", "\xff"));
    EXPECT_TRUE(glob_matches("[\x80-\xff]\\*", "\xe4*"));
    EXPECT_FALSE(glob_matches("a", "ab"));
    EXPECT_FALSE(glob_matches("[!a]", "a"));
    EXPECT_TRUE(check_glob("[z-a]"));
    EXPECT_TRUE(check_glob("[a"));
    EXPECT_TRUE(check_glob("[]"));
    EXPECT_TRUE(check_glob("a\\"));
    EXPECT_EQ(check_glob("ab[")->offset, 2u);
}

TEST(PolicyGlob, AgreesWithFnmatch) {
    std::mt19937 random(20250101);
    const auto word = [&](std::string_view letters, std::size_t longest) {
        std::string text(random() % (longest + 1), '\0');
        for (char& c : text) c = letters[random() % letters.size()];
        return text;
    };
    std::size_t valid = 0;
    std::size_t matched = 0;
    for (int i = 0; i < 200'000; i++) {
        const std::string pattern = word("abc***??[]!^-\\", 8);
        const std::string text = word("abc*]-!^\\", 6);
        if (check_glob(pattern)) continue;
        valid++;
        const bool expected = fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
        matched += expected;
        ASSERT_EQ(glob_matches(pattern, text), expected) << pattern << " " << text;
    }
    EXPECT_GT(valid, 50'000u);
    EXPECT_GT(matched, 1'000u);
}

TEST(PolicyGlob, ManyStarsDoNotTakeForever) {
    std::string pattern;
    for (int i = 0; i < 1000; i++) pattern += "*a";
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_FALSE(glob_matches(pattern + "b", std::string(4095, 'a')));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

}  // namespace policy_matcher_test
}  // namespace keyscribe::policy
