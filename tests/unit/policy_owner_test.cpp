// SPDX-License-Identifier: Apache-2.0
// Whose keyrings a rule is about. Every user can make a keyring of a name without a dot: such a
// namesake must neither be measured as root's nor hide what happens in root's.
#include <gtest/gtest.h>

#include "policy/explain.h"
#include "policy/filter_compiler.h"
#include "policy/format.h"
#include "policy/matcher.h"
#include "policy/parser.h"

namespace keyscribe::policy {
namespace policy_owner_test {

constexpr std::uint32_t kRoot = 0, kUser = 1000;

Policy policy_of(const std::string& text) {
    const Source source{"x.policy", text};
    auto policy = parse({&source, 1});
    EXPECT_TRUE(policy) << text << to_string(policy.error());
    return policy.value_or(Policy{});
}

Subject in_keyring(std::string_view keyring, std::uint32_t owner) {
    return {.keyring = keyring, .keyring_uid = owner, .key_type = "asymmetric"};
}

/// The line of the rule that decides; 0: none.
std::size_t deciding_line(const std::string& text, const Subject& subject) {
    const Policy policy = policy_of(text);
    const Rule* rule = decide(policy, subject);
    return rule == nullptr ? 0 : rule->origin.line;
}

std::string warnings_of(const std::string& text) {
    std::string lines;
    for (const Diagnostic& warning : policy_of(text).warnings)
        lines += headline(warning, "warning") + "\n";
    return lines;
}

TEST(PolicyOwner, WithoutKeyringUidARuleIsAboutRootsKeyringAlone) {
    const std::string rule = "measure func=KEY_CHECK keyrings=_ima\n";
    EXPECT_EQ(deciding_line(rule, in_keyring("_ima", kRoot)), 1u);
    EXPECT_EQ(deciding_line(rule, in_keyring("_ima", kUser)), 0u);
}

TEST(PolicyOwner, AUsersNamesakeHidesNothing) {
    const std::string rules =
        "dont_measure func=KEY_CHECK keyrings=staging\n"
        "measure func=KEY_CHECK\n";
    EXPECT_EQ(deciding_line(rules, in_keyring("staging", kRoot)), 1u);
    EXPECT_EQ(deciding_line(rules, in_keyring("staging", kUser)), 2u);
}

TEST(PolicyOwner, AKeyringWithADotIsTheKernelsWhoeverItWasGivenTo) {
    EXPECT_EQ(deciding_line("measure func=KEY_CHECK keyrings=.ima\n", in_keyring(".ima", kUser)),
              1u);
    EXPECT_EQ(deciding_line("measure func=KEY_CHECK keyrings=.ima keyring_uid=0\n",
                            in_keyring(".ima", kUser)),
              0u);
}

TEST(PolicyOwner, KeyringUidChoosesAsUidDoes) {
    const auto matches = [](const std::string& condition, std::uint32_t owner) {
        return deciding_line("measure func=KEY_CHECK keyrings=x " + condition + "\n",
                             in_keyring("x", owner)) == 1;
    };
    EXPECT_TRUE(matches("keyring_uid=1000", kUser));
    EXPECT_FALSE(matches("keyring_uid=1000", kRoot));
    EXPECT_TRUE(matches("keyring_uid>0", kUser));
    EXPECT_FALSE(matches("keyring_uid>0", kRoot));
    EXPECT_TRUE(matches("keyring_uid<1000", kRoot));
    EXPECT_FALSE(matches("keyring_uid<1000", kUser));
    EXPECT_TRUE(matches("keyring_uid=*", kUser));
    EXPECT_TRUE(matches("keyring_uid=*", kRoot));
    const std::string everywhere = "measure func=KEY_CHECK keyring_uid=0\n";
    EXPECT_EQ(deciding_line(everywhere, in_keyring("any", kRoot)), 1u);
    EXPECT_EQ(deciding_line(everywhere, in_keyring("any", kUser)), 0u);
}

TEST(PolicyOwner, WhereTheOwnerIsNotKnownItIsRatherMeasured) {
    const std::string rules =
        "dont_measure func=KEY_CHECK keyrings=x\n"
        "dont_measure func=KEY_CHECK keyrings=.ima keyring_uid=0\n"
        "measure func=KEY_CHECK keyrings=x|.ima\n";
    EXPECT_EQ(deciding_line(rules, in_keyring("x", kNoId)), 3u);
    EXPECT_EQ(deciding_line(rules, in_keyring(".ima", kNoId)), 3u);
    EXPECT_EQ(
        deciding_line("dont_measure func=KEY_CHECK keyrings=.ima\n", in_keyring(".ima", kNoId)),
        1u);
    EXPECT_EQ(deciding_line("dont_measure func=KEY_CHECK keyrings=x keyring_uid=*\n",
                            in_keyring("x", kNoId)),
              1u);
}

TEST(PolicyOwner, ValuesThatAreRefused) {
    for (const char* condition :
         {"keyring_uid=-1", "keyring_uid=4294967295", "keyring_uid>*", "keyring_uid=root",
          "keyring_uid=", "keyring_uid=0 keyring_uid=1"}) {
        const Source source{"x", "measure func=KEY_CHECK keyrings=x " + std::string(condition)};
        EXPECT_FALSE(parse({&source, 1})) << condition;
    }
    const Source files{"x", "measure func=FILE_CHECK keyring_uid=0"};
    EXPECT_FALSE(parse({&files, 1}));
}

TEST(PolicyOwner, WarnsOfNamesThatUsersCanMake) {
    EXPECT_EQ(warnings_of("measure func=KEY_CHECK keyrings=.ima|_ima|_evm\n"),
              "x.policy:1:38: warning: every user can make a keyring named '_ima': this rule is "
              "about root's alone\n");
    EXPECT_EQ(warnings_of("measure func=KEY_CHECK keyrings=_ima keyring_uid=0\n"
                          "measure func=KEY_CHECK keyrings=_ima keyring_uid>0\n"
                          "measure func=KEY_CHECK keyrings=.ima\n"
                          "measure func=KEY_CHECK\n"),
              "");
}

TEST(PolicyOwner, ARuleForOthersIsNotShadowedByRoots) {
    EXPECT_EQ(warnings_of("measure func=KEY_CHECK keyrings=x keyring_uid=0\n"
                          "measure func=KEY_CHECK keyrings=x keyring_uid=*\n"
                          "measure func=KEY_CHECK keyrings=.ima keyring_uid=0\n"
                          "measure func=KEY_CHECK keyrings=.ima\n"),
              "");
    EXPECT_TRUE(warnings_of("measure func=KEY_CHECK keyrings=x keyring_uid<9\n"
                            "measure func=KEY_CHECK keyrings=x op=create keyring_uid=0\n")
                    .contains("2:1: warning: this rule never decides"));
}

TEST(PolicyOwner, IsExplainedAndWrittenBack) {
    const Policy policy = policy_of(
        "measure func=KEY_CHECK keyrings=_ima\n"
        "measure func=KEY_CHECK keyrings=_ima keyring_uid>1000\n"
        "measure func=KEY_CHECK keyrings=_ima keyring_uid=*\n");
    EXPECT_EQ(explain(policy, in_keyring("_ima", kUser)).lines,
              (std::vector<std::string>{
                  "x.policy:1: measure func=KEY_CHECK keyrings=_ima",
                  "    no: keyring_uid 1000 is not = 0",
                  "x.policy:2: measure func=KEY_CHECK keyrings=_ima keyring_uid>1000",
                  "    no: keyring_uid 1000 is not > 1000",
                  "x.policy:3: measure func=KEY_CHECK keyrings=_ima keyring_uid=*", "    matches",
                  "decision: measured, with the payload, into the configured PCR"}));
    const Policy refusing = policy_of("dont_measure func=KEY_CHECK keyrings=_ima\n");
    EXPECT_EQ(explain(refusing, in_keyring("_ima", kNoId)).lines[1],
              "    no: the keyring's owner is not known");
}

/// Which rules the programs leave to userspace.
std::string undecided(const std::string& text) {
    const Policy policy = policy_of(text);
    const auto filter = compile(policy, 1);
    std::string rules;
    for (std::size_t i = 0; i < policy.rules.size(); i++)
        if ((*filter)->rule[i].flags & KS_RULE_UNDECIDED) rules += std::to_string(i + 1);
    return rules;
}

TEST(PolicyOwner, TheFilterGoesOnBehindARuleWhoseOwnerItCannotJudge) {
    const std::string any = "measure func=KEY_CHECK\n";
    EXPECT_EQ(undecided("dont_measure func=KEY_CHECK keyrings=x\n" + any), "1");
    EXPECT_EQ(undecided("dont_measure func=KEY_CHECK keyrings=x keyring_uid=*\n" + any), "");
    EXPECT_EQ(undecided("dont_measure func=KEY_CHECK keyrings=.ima\n" + any), "");
    EXPECT_EQ(undecided("measure func=KEY_CHECK keyrings=x payload=none\n" + any), "1");
    EXPECT_EQ(undecided("measure func=KEY_CHECK keyrings=x\n"
                        "measure func=KEY_CHECK key_type=user payload=digest\n"),
              "1");
}

TEST(PolicyOwner, TheFilterStopsWhereNothingMoreIsWanted) {
    EXPECT_EQ(undecided("measure func=KEY_CHECK keyrings=x\n"), "");
    EXPECT_EQ(undecided("measure func=KEY_CHECK keyrings=x\nmeasure func=KEY_CHECK\n"), "");
    EXPECT_EQ(undecided("dont_measure func=KEY_CHECK keyrings=x\n"), "");
}

}  // namespace policy_owner_test
}  // namespace keyscribe::policy
