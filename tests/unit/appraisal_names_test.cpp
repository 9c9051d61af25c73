// SPDX-License-Identifier: Apache-2.0
// Names in an appraisal policy: what can match nothing is refused.
#include <gtest/gtest.h>

#include "controller/service/appraise/known_names.h"
#include "controller/service/appraise/policy.h"
#include "controller/service/appraise/references.h"
#include "support.h"
#include "tests/unit/two_certificates.h"

namespace keyscribe::appraise {
namespace appraisal_names_test {

using testing::TwoCertificates;

/// "good", or the error.
std::string check(const std::string& text) {
    ReferenceValues references;
    EXPECT_TRUE(references.add(TwoCertificates::shared().a, "refs/signer.der"));
    EXPECT_TRUE(references.add(TwoCertificates::shared().b, "refs/staging/b.der", "staging"));
    EXPECT_TRUE(references.add(TwoCertificates::shared().b, "refs/.later/b.der", ".later"));
    const auto policy = parse_policy(text, "p");
    if (!policy) return to_string(policy.error());
    const auto checked = check_names(*policy, references);
    return checked ? "good" : to_string(checked.error());
}

TEST(AppraisalNames, ThatCanMatchNothingAreRefusedWithASuggestion) {
    const struct {
        const char *text, *place, *hint;
    } cases[] = {
        {"[keys]\nrequired = [\"sigmer.der\"]", "p:2:13", "did you mean 'signer.der'?"},
        {"[keys]\nrequired = [\"*\", \"vendor-ca.der\"]", "p:2:18", "known are: signer.der"},
        {"[keys]\nrequired = [\"00\"]", "p:2:13", "known are"},
        {"[keyrings]\nwatched = [\".ima \"]", "p:2:12", "did you mean '.ima'?"},
        {"[keyrings]\nwatched = [\".imaa\"]", "p:2:12", "did you mean '.ima'?"},
        {"[keyrings]\nwatched = [\"builtin_trusted_keys\"]", "p:2:12",
         "did you mean '.builtin_trusted_keys'?"},
        {"[keyrings]\nwatched = [\".IMA\"]", "p:2:12", "did you mean '.ima'?"},
        {"[keyrings]\nwatched = [\".imx*\"]", "p:2:12", "did you mean '.ima'?"},
        {"[keyrings]\nwatched = [\".ima\"]\nexempt = [\".i*\"]", "p:2:12", "one of the two"},
        {"[keyrings]\nexempt = [\".blaklist\"]", "p:2:11", "did you mean '.blacklist'?"},
        {"[keyrings]\ntypes = [\"asymetric\"]", "p:2:10", "did you mean 'asymmetric'?"},
        {"[keyrings]\ntypes = [\"asymmetric \"]", "p:2:10", "did you mean 'asymmetric'?"},
        {"[ima]\nsigners = [\"ima\"]", "p:2:12", "did you mean '.ima'?"},
        {"[chain]\nreference_suffices = [\".secondary\"]", "p:2:23", "known are"},
        {"[chain.signers]\n\".imma\" = [\".machine\"]", "p:2:1", "did you mean '.ima'?"},
        {"[chain.signers]\n\".ima\" = [\".machines\"]", "p:2:11", "did you mean '.machine'?"},
        {"[chain.signers]\n\".ima\" = [\"*\"]", "p:2:11", "name each keyring"},
        {"[chain.signers]\n\"\" = []", "p:2:1", "name each keyring"},
        {"[keyrings]\nwatched = []", "p:2:11", "nothing would be judged"},
        {"[keyrings]\ntypes = []", "p:2:9", "nothing would be judged"},
    };
    for (const auto& one : cases) {
        const std::string said = check(one.text);
        EXPECT_EQ(said.substr(0, std::string(one.place).size() + 1), std::string(one.place) + ':')
            << one.text << "\n"
            << said;
        EXPECT_NE(said.find(one.hint), std::string::npos) << said;
    }
}

TEST(AppraisalNames, ThatMayMatchAreNot) {
    const std::string digest = to_hex(sha256(TwoCertificates::shared().a));
    for (const std::string& text : {
             std::string(
                 "[keyrings]\nwatched = [\".ima\", \"_ima\", \".im?\", \"*\", \"staging\"]"),
             std::string("[keyrings]\nwatched = [\"a user's keyring\", \"_uid.0\", \"vpn-*\"]"),
             std::string("[keyrings]\nwatched = [\".later\"]\nexempt = []"),
             std::string("[keyrings]\ntypes = [\"asymmetric\", \"*\", \"user\"]"),
             std::string("[keys]\nrequired = [\"*\", \"signer.der\", \"staging/b.der\"]"),
             "[keys]\nrequired = [\"" + digest + "\"]",
             std::string("[chain.signers]\n\".platform\" = [\".builtin_trusted_keys\"]"),
             std::string("[ima]\nsigners = []"),
         })
        EXPECT_EQ(check(text), "good") << text;
}

TEST(AppraisalPolicy, AnEmptyFileIsTheDefaults) {
    EXPECT_EQ(check(""), "good");
    EXPECT_EQ(check("# [keys]\n"), "good");
    EXPECT_EQ(parse_policy("", "p")->chain.signers, AppraisalPolicy().chain.signers);
}

TEST(AppraisalNames, TheShippedPolicyHasNoneThatMatchesNothing) {
    EXPECT_EQ(
        check(testing::read_file(FIXTURES "/../../controller/service/appraise/appraisal.toml")),
        "good");
}

TEST(AppraisalPolicy, OneRowOfChainSignersDoesNotDropTheDefaults) {
    const AppraisalPolicy defaults;
    const auto added = parse_policy("[chain.signers]\n\".platform\" = [\".machine\"]", "p");
    ASSERT_TRUE(added);
    auto expected = defaults.chain.signers;
    expected[".platform"] = {".machine"};
    EXPECT_EQ(added->chain.signers, expected);
    const auto changed = parse_policy("[chain.signers]\n\".ima\" = [\".machine\"]", "p");
    ASSERT_TRUE(changed);
    expected = defaults.chain.signers;
    expected[".ima"] = {".machine"};
    EXPECT_EQ(changed->chain.signers, expected);
}

TEST(AppraisalPolicy, AnEmptyListOfChainSignersDropsItsDefault) {
    auto expected = AppraisalPolicy().chain.signers;
    expected.erase(".evm");
    const auto dropped = parse_policy("[chain.signers]\n\".evm\" = []", "p");
    ASSERT_TRUE(dropped);
    EXPECT_EQ(dropped->chain.signers, expected);
}

TEST(AppraisalPolicy, DigestsInCapitalsAndWithColons) {
    std::string colons = "AB";
    for (int i = 0; i < 31; ++i) colons += ":AB";
    for (const std::string& digest : {std::string(64, 'a').replace(1, 1, "b"), colons}) {
        const auto policy = parse_policy("[host]\npolicies = [\"" + digest + "\"]", "p");
        ASSERT_TRUE(policy) << digest;
        EXPECT_EQ(policy->host.policies[0][0], 0xab);
    }
    for (const std::string& wrong : {colons + ":00", colons.substr(1), colons.substr(3)})
        EXPECT_FALSE(parse_policy("[host]\npolicies = [\"" + wrong + "\"]", "p")) << wrong;
}

TEST(AppraisalNames, SuggestionsAreBoundedInTime) {
    const std::string name(1 << 20, 'a');
    EXPECT_FALSE(suggestion(name, kernel_keyrings()).starts_with("did you mean"));
}

}  // namespace appraisal_names_test
}  // namespace keyscribe::appraise
