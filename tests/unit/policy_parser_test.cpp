// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "policy/format.h"
#include "policy/limits.h"
#include "policy/parser.h"

namespace keyscribe::policy {
namespace policy_parser_test {

std::expected<Policy, Diagnostics> parse_text(const std::string& text) {
    const Source source{"10-x.policy", text};
    return parse({&source, 1});
}

/// The only rule of a text that must be valid.
Rule rule_of(const std::string& text) {
    const auto policy = parse_text(text);
    if (!policy || policy->rules.size() != 1) {
        ADD_FAILURE() << text << "\n" << (policy ? "" : to_string(policy.error()));
        return {};
    }
    return policy->rules.front();
}

/// The only error of a text, as "line:column: message (expected)".
std::string error_of(const std::string& text) {
    const auto policy = parse_text(text);
    if (policy) return "accepted";
    if (policy.error().errors.size() != 1) return to_string(policy.error());
    const Diagnostic& error = policy.error().errors.front();
    return std::to_string(error.line) + ":" + std::to_string(error.column) + ": " + error.message +
           " (" + error.expected + ")";
}

/// The warnings of a text that must be valid, as "line:column: message" lines.
std::string warnings_of(const std::string& text) {
    const auto policy = parse_text(text);
    if (!policy) return to_string(policy.error());
    std::string warnings;
    for (const Diagnostic& warning : policy->warnings)
        warnings += std::to_string(warning.line) + ":" + std::to_string(warning.column) + ": " +
                    warning.message + "\n";
    return warnings;
}

using Names = std::vector<std::string>;

TEST(PolicyParser, ARuleWithoutConditionsHasImasMeaning) {
    const Rule rule = rule_of("measure func=KEY_CHECK");
    EXPECT_EQ(rule.action, Action::kMeasure);
    EXPECT_TRUE(rule.keyrings.empty());
    EXPECT_EQ(rule.key_types, Names{"asymmetric"});
    EXPECT_EQ(rule.operations, operation_bit(KS_OP_CREATE) | operation_bit(KS_OP_UPDATE) |
                                   operation_bit(KS_OP_INSTANTIATE) | operation_bit(KS_OP_LINK) |
                                   operation_bit(KS_OP_MOVE));
    EXPECT_EQ(rule.payload, Payload::kFull);
    EXPECT_FALSE(rule.uid || rule.euid || rule.gid || rule.egid || rule.pcr || rule.description);
    EXPECT_EQ(rule.origin, (Origin{0, 1}));
}

TEST(PolicyParser, ReadsEveryCondition) {
    const Rule rule = rule_of(
        "\n# comment\n"
        "measure func=KEY_CHECK keyrings=.ima|_ses uid=0 euid<10 gid>4294967293 egid=+7 pcr=11 "
        "pcr=023 template=ima-buf key_type=user|logon op=update desc=\"a b\\\"*\" payload=digest");
    EXPECT_EQ(rule.origin.line, 3u);
    EXPECT_EQ(rule.keyrings, (Names{".ima", "_ses"}));
    EXPECT_EQ(rule.uid, (IdCondition{'=', 0}));
    EXPECT_EQ(rule.euid, (IdCondition{'<', 10}));
    EXPECT_EQ(rule.gid, (IdCondition{'>', 4294967293}));
    EXPECT_EQ(rule.egid, (IdCondition{'=', 7}));
    EXPECT_EQ(rule.pcr, 23u);
    EXPECT_EQ(rule.key_types, (Names{"user", "logon"}));
    EXPECT_EQ(rule.operations, operation_bit(KS_OP_UPDATE));
    EXPECT_EQ(rule.description, "a b\\\"*");
    EXPECT_EQ(rule.payload, Payload::kDigest);
}

TEST(PolicyParser, CommitIsOfTwoKinds) {
    EXPECT_EQ(rule_of("measure func=KEY_CHECK").commit, Commit::kGroup);
    EXPECT_EQ(rule_of("measure func=KEY_CHECK commit=group").commit, Commit::kGroup);
    const Rule each = rule_of("measure func=KEY_CHECK commit=each");
    EXPECT_EQ(each.commit, Commit::kEach);
    EXPECT_EQ(to_text(each), "measure func=KEY_CHECK commit=each");
    EXPECT_EQ(error_of("measure func=KEY_CHECK commit=all"),
              "1:31: 'all' is not a way to commit records (group or each)");
    EXPECT_EQ(error_of("dont_measure func=KEY_CHECK commit=each"),
              "1:29: 'commit' does not go with the action 'dont_measure' (it with the action "
              "measure only)");
}

TEST(PolicyParser, EveryTypeHasAStarOfItsOwn) {
    EXPECT_TRUE(rule_of("measure func=KEY_CHECK key_type=*").key_types.empty());
    EXPECT_EQ(error_of("measure func=KEY_CHECK key_type=user|*"),
              "1:38: '*' in a key type's name (names in full, or '*' alone for every type)");
}

TEST(PolicyParser, TheSeedSpellingIsAnAlias) {
    const Rule rule = rule_of("dont_measure func=BUILTIN_TRUSTED_KEYS uid>0");
    EXPECT_EQ(rule, rule_of("dont_measure func=KEY_CHECK keyrings=.builtin_trusted_keys uid>0"));
    EXPECT_TRUE(error_of("measure func=BUILTIN_TRUSTED_KEYS keyrings=.ima")
                    .starts_with("1:35: 'keyrings' does not go with func=BUILTIN_TRUSTED_KEYS"));
}

TEST(PolicyParser, AWholeImaPolicyIsTakenAndSkipped) {
    const auto policy = parse_text(
        "# PROC_SUPER_MAGIC\n"
        "dont_measure fsmagic=0x9fa0\n"
        "dont_appraise fsmagic=0x9fa0\n"
        "measure func=MMAP_CHECK mask=MAY_EXEC\n"
        "measure func=FILE_CHECK mask=^MAY_READ euid=0\n"
        "measure func=FILE_CHECK digest_type=verity template=ima-ngv2\n"
        "measure func=KEXEC_CMDLINE pcr=40\n"
        "measure func=CRITICAL_DATA label=selinux|kernel_info\n"
        "measure subj_user=system_u func=FILE_CHECK mask=MAY_READ\n"
        "dont_measure obj_type=var_log_t\n"
        "measure func=FIRMWARE_CHECK fsuuid=8bcbe394-4f13-4144-be8e-5aa9ea2ce2f6\n"
        "appraise func=KEXEC_KERNEL_CHECK appraise_type=imasig|modsig\n"
        "appraise func=BPRM_CHECK digest_type=verity appraise_type=sigv3\n"
        "appraise func=SETXATTR_CHECK appraise_algos=sha256,sha384\n"
        "appraise fowner=0 permit_directio\n"
        "audit func=MMAP_CHECK_REQPROT fgroup<10\n"
        "hash fsname=ext4\n"
        "dont_hash func=CREDS_CHECK gid=5\n"
        "measure func=KEY_CHECK\n");
    ASSERT_TRUE(policy) << to_string(policy.error());
    EXPECT_EQ(policy->rules.size(), 1u);
    ASSERT_EQ(policy->sources.size(), 1u);
    EXPECT_EQ(policy->sources[0].rules, 1u);
    EXPECT_EQ(policy->sources[0].skipped, 17u);
    ASSERT_EQ(policy->warnings.size(), 1u);
    EXPECT_EQ(policy->warnings[0].message, "Linux before 6.3 refuses 'MMAP_CHECK_REQPROT'");
}

TEST(PolicyParser, SkippedRulesAreJudgedAsTheKernelJudgesThem) {
    for (const char* rule : {"measure func=FILE_CHECK uid=0 euid=0",
                             "measure gid=0 egid=0",
                             "measure func=MODULE_CHECK digest_type=verity",
                             "measure appraise_type=imasig",
                             "appraise func=FILE_CHECK appraise_type=imasig|modsig",
                             "audit pcr=4",
                             "appraise digest_type=verity",
                             "appraise digest_type=verity appraise_type=imasig",
                             "appraise func=SETXATTR_CHECK",
                             "measure func=SETXATTR_CHECK appraise_algos=sha1",
                             "appraise appraise_algos=sha256,",
                             "measure mask=MAY_FLY",
                             "measure fsmagic=xyz",
                             "measure fsuuid=8bcbe394",
                             "hash func=KEXEC_CMDLINE",
                             "measure func=CRITICAL_DATA euid=1",
                             "measure func=FILE_CHECK key_type=user",
                             "measure op=create",
                             "measure payload=none",
                             "measure func=CRITICAL_DATA label=a||b",
                             "measure permit_directio=1",
                             "measure pcr=64"})
        EXPECT_NE(error_of(rule), "accepted") << rule;
}

TEST(PolicyParser, AnErrorNamesPlaceCauseAndRemedy) {
    const auto policy =
        parse_text("measure func=KEY_CHECK\nmeasure\tfunc=KEY_CHECK keyring=.ima\n");
    ASSERT_FALSE(policy);
    EXPECT_EQ(to_string(policy.error()),
              "10-x.policy:2:24: error: unknown condition 'keyring='\n"
              "    measure func=KEY_CHECK keyring=.ima\n"
              "                           ^\n"
              "    expected one of: func= keyrings= keyring_uid= uid= euid= gid= egid= key_type= "
              "op= desc= "
              "payload= commit= provenance= pcr= template=; did you mean 'keyrings='?\n");
}

TEST(PolicyParser, SuggestsWhatIsClose) {
    EXPECT_TRUE(error_of("measure func=KEYCHECK").ends_with("did you mean 'KEY_CHECK'?)"));
    EXPECT_TRUE(error_of("Measure func=KEY_CHECK").contains("did you mean 'measure'?"));
    EXPECT_FALSE(error_of("measure func=KEY_CHECK zzzzzzzzzz=1").contains("did you mean"));
}

TEST(PolicyParser, NamesTheExactColumn) {
    EXPECT_EQ(error_of("measure func=KEY_CHECK keyrings=.ima||.evm"),
              "1:38: an empty name in the list (keyrings' names, as in .ima|.evm)");
    EXPECT_EQ(error_of("measure func=KEY_CHECK uid=4294967295"),
              "1:28: '4294967295' is not an id (a decimal number from 0 to 4294967294)");
    EXPECT_EQ(error_of("measure func=KEY_CHECK uid=0 uid>1"),
              "1:30: 'uid' for the second time (it once a rule)");
    EXPECT_EQ(error_of("measure func=KEY_CHECK keyrings>.ima"),
              "1:32: 'keyrings' needs a value, and = before it ('keyrings=')");
    EXPECT_EQ(
        error_of("measure func=KEY_CHECK op=create|remove"),
        "1:34: unknown operation 'remove' (all, or some of: create|update|instantiate|reject|link|"
        "unlink|move|clear|revoke|invalidate|restrict|timeout|setperm|chown|destroy)");
    EXPECT_EQ(error_of("measure func=KEY_CHECK pcr=24"),
              "1:28: PCR 24 does not exist in a TPM (a decimal number from 0 to 23)");
    EXPECT_EQ(error_of("measure func=KEY_CHECK desc=a[b"),
              "1:30: '[' without its ']' (a shell glob: * ? [a-z] [!a-z] \\)");
    EXPECT_EQ(error_of("measure func=KEY_CHECK desc=\"ab\\\""),
              "1:29: a quote without its end ('\"')");
    EXPECT_EQ(error_of("measure func=KEY_CHECK desc=\"ab\"c"),
              "1:33: text directly behind the closing quote (a blank or the line's end)");
    EXPECT_EQ(error_of("dont_measure func=KEY_CHECK payload=full"),
              "1:29: 'payload' does not go with the action 'dont_measure' (it with the action "
              "measure only)");
    EXPECT_EQ(error_of("func=KEY_CHECK").substr(0, 29), "1:1: a rule without an action");
}

TEST(PolicyParser, KeyringsThatAreNamedAreWatchedForKeyringsInThem) {
    using Types = std::vector<std::string>;
    EXPECT_EQ(rule_of("measure func=KEY_CHECK keyrings=.ima").key_types,
              (Types{"asymmetric", "keyring"}));
    EXPECT_EQ(rule_of("measure func=KEY_CHECK keyrings=.ima key_type=user").key_types,
              Types{"user"});
}

TEST(PolicyParser, OperationsAndProvenance) {
    EXPECT_EQ(rule_of("measure func=KEY_CHECK op=all").operations, kAllOperations);
    EXPECT_EQ(rule_of("measure func=KEY_CHECK op=revoke|destroy").operations,
              operation_bit(KS_OP_REVOKE) | operation_bit(KS_OP_DESTROY));
    EXPECT_EQ(rule_of("measure func=KEY_CHECK provenance=measured").provenance,
              Provenance::kMeasured);
    EXPECT_EQ(rule_of("measure func=KEY_CHECK").provenance, Provenance::kJournal);
    EXPECT_EQ(error_of("measure func=KEY_CHECK provenance=list"),
              "1:35: 'list' is no place for who did it (journal or measured)");
}

TEST(PolicyParser, AllErrorsOfAllFilesAreReportedUpToABound) {
    const Source sources[] = {{"a.policy", "bogus\nmeasure func=KEY_CHECK uid=x gid=y\n"},
                              {"b.policy", "measure func=KEY_CHECK\n"},
                              {"c.policy", "measure func=KEY_CHECK keyrings=\n"}};
    const auto policy = parse(sources);
    ASSERT_FALSE(policy);
    std::vector<std::string> places;
    for (const Diagnostic& error : policy.error().errors)
        places.push_back(error.file + ":" + std::to_string(error.line) + ":" +
                         std::to_string(error.column));
    EXPECT_EQ(places, (Names{"a.policy:1:1", "a.policy:2:28", "a.policy:2:34", "c.policy:1:33"}));

    std::string many;
    for (int i = 0; i < 50; i++) many += "bogus\n";
    const auto bounded = parse_text(many);
    ASSERT_FALSE(bounded);
    EXPECT_EQ(bounded.error().errors.size(), kMaxErrors);
    EXPECT_EQ(bounded.error().more, 50 - kMaxErrors);
    EXPECT_TRUE(to_string(bounded.error()).ends_with("and 30 more errors\n"));
}

TEST(PolicyParser, ShowsAHostileLineSafely) {
    const auto policy =
        parse_text("measure func=KEY_CHECK keyrings=\xc3\xa4\xff\xe2\x80\xae bo\"g=1");
    ASSERT_FALSE(policy);
    EXPECT_EQ(policy.error().errors.front().excerpt,
              "measure func=KEY_CHECK keyrings=\xc3\xa4\\xff\\xe2\\x80\\xae bo\"g=1");
    EXPECT_EQ(policy.error().errors.front().caret, 32u + 1 + 16 + 1);
    EXPECT_EQ(error_of("measure func=KEY_CHECK keyrings=a\x1b[31m"),
              "1:34: the control character '\\x1b' (text)");
    EXPECT_EQ(error_of(std::string("# a\0b", 5)), "1:4: a NUL byte (text)");
}

TEST(PolicyParser, ShowsALongLineInPart) {
    const std::string text = "measure func=KEY_CHECK keyrings=" + std::string(500, 'k') +
                             " bogus=1 desc=" + std::string(500, 'd');
    const auto policy = parse_text(text);
    ASSERT_FALSE(policy);
    const Diagnostic& error = policy.error().errors.front();
    EXPECT_EQ(error.column, 32u + 500 + 2);
    EXPECT_EQ(error.excerpt,
              "..." + std::string(39, 'k') + " bogus=1 desc=" + std::string(60 - 13, 'd') + "...");
    EXPECT_EQ(error.excerpt.substr(error.caret, 5), "bogus");
}

TEST(PolicyParser, WindowsLineEndsAreNamedOnce) {
    EXPECT_EQ(error_of("# x\r\nmeasure func=KEY_CHECK\r\n\r\n"),
              "1:4: the line ends in CR LF, as on Windows (LF alone; dos2unix(1) converts the "
              "file)");
}

TEST(PolicyParser, EveryLimitIsEnforced) {
    const std::string longest =
        "measure func=KEY_CHECK keyrings=" + std::string(kMaxLineBytes - 32, 'k');
    EXPECT_EQ(rule_of(longest).keyrings.front().size(), kMaxLineBytes - 32);
    EXPECT_TRUE(error_of(longest + "k").contains("longer than 4096 bytes"));
    EXPECT_TRUE(error_of("#" + std::string(kMaxLineBytes, ' ')).contains("longer than 4096"));

    std::string rules;
    for (std::size_t i = 0; i < kMaxRules; i++)
        rules += "measure func=KEY_CHECK uid=" + std::to_string(i) + "\n";
    EXPECT_EQ(parse_text(rules)->rules.size(), kMaxRules);
    EXPECT_TRUE(error_of(rules + rules).starts_with("65:1: too many rules"));
    EXPECT_TRUE(parse_text(rules + "measure func=FILE_CHECK\n")) << "skipped rules do not count";

    std::string keyrings = "measure func=KEY_CHECK keyrings=k0";
    for (std::size_t i = 1; i < kMaxRuleKeyrings; i++) keyrings += "|k" + std::to_string(i);
    EXPECT_EQ(rule_of(keyrings).keyrings.size(), kMaxRuleKeyrings);
    EXPECT_TRUE(error_of(keyrings + "|x").contains("too many keyrings in one rule"));

    EXPECT_TRUE(parse_text(std::string(kMaxSourceBytes, '\n')));
    EXPECT_TRUE(error_of(std::string(kMaxSourceBytes + 1, '\n')).contains("the file is too long"));
    EXPECT_TRUE(parse(std::vector<Source>(kMaxSources)));
    EXPECT_FALSE(parse(std::vector<Source>(kMaxSources + 1)));

    EXPECT_TRUE(
        parse_text("measure func=KEY_CHECK key_type=" + std::string(kMaxKeyTypeBytes, 't')));
    EXPECT_FALSE(
        parse_text("measure func=KEY_CHECK key_type=" + std::string(kMaxKeyTypeBytes + 1, 't')));
}

/// One rule a line, each with `each` names that no other has.
std::string many_names(std::string_view condition, std::size_t names, std::size_t each) {
    std::string text;
    for (std::size_t i = 0; i < names; i++)
        text += (i % each == 0 ? "\nmeasure func=KEY_CHECK " + std::string(condition) + "n"
                               : std::string("|n")) +
                std::to_string(i);
    return text;
}

TEST(PolicyParser, TheFiltersTablesBoundNamesInAllRules) {
    EXPECT_TRUE(parse_text(many_names("keyrings=", kMaxKeyrings, kMaxRuleKeyrings)));
    EXPECT_TRUE(error_of(many_names("keyrings=", kMaxKeyrings + 100, kMaxRuleKeyrings))
                    .starts_with("10:33: too many keyrings in all rules together"));
    EXPECT_TRUE(parse_text(many_names("payload=none key_type=", kMaxKeyTypes, 16)));
    EXPECT_TRUE(error_of(many_names("payload=none key_type=", kMaxKeyTypes + 1, 16))
                    .starts_with("4:46: too many key types"));
}

TEST(PolicyParser, NoFileAndNoRuleArePoliciesThatMeasureNothing) {
    EXPECT_TRUE(parse({})->rules.empty());
    EXPECT_TRUE(parse_text("")->rules.empty());
    EXPECT_TRUE(parse_text("\n \t\n# only this")->rules.empty());
}

TEST(PolicyParser, WarnsOfWhatIsValidButHardlyMeant) {
    EXPECT_EQ(warnings_of("measure func=KEY_CHECK keyrings=\".ima\""),
              "1:33: as in IMA, quotes are part of the keyring's name '\".ima\"'\n"
              "1:33: every user can make a keyring named '\".ima\"': this rule is about root's "
              "alone\n");
    EXPECT_EQ(warnings_of("measure func=KEY_CHECK template=d-ng|n-ng|buf"), "");
    EXPECT_EQ(warnings_of("measure func=KEY_CHECK template=ima-sig"),
              "1:33: measured with the template ima-buf, not with 'ima-sig'\n");
    EXPECT_EQ(warnings_of("measure func=KEY_CHECK gid<0"),
              "1:28: this rule can never match: no such id exists\n");
    EXPECT_EQ(warnings_of("measure func=KEY_CHECK key_type=blacklist|user"),
              "1:33: copies the payload of keys of type 'user' into the list, where it is no "
              "secret any more\n");
    EXPECT_EQ(warnings_of("measure func=KEY_CHECK key_type=user payload=digest\n"
                          "dont_measure func=KEY_CHECK key_type=logon\n"),
              "");
}

TEST(PolicyParser, WarnsOfARuleThatAnEarlierOneShadows) {
    const std::string never =
        ":1: this rule never decides: all that it matches, the rule at "
        "10-x.policy:1 matches before it\n";
    EXPECT_EQ(warnings_of("measure func=KEY_CHECK\ndont_measure func=KEY_CHECK "
                          "keyrings=.ima key_type=asymmetric\n"),
              "2" + never);
    EXPECT_EQ(warnings_of("measure func=KEY_CHECK keyrings=.a|.b uid<9\n"
                          "dont_measure func=KEY_CHECK keyrings=.b uid=8 desc=x*\n"),
              "2" + never);
    EXPECT_EQ(warnings_of("measure func=KEY_CHECK keyrings=.a\nmeasure func=KEY_CHECK\n"), "");
    EXPECT_EQ(warnings_of("measure func=KEY_CHECK\n"
                          "measure func=KEY_CHECK key_type=* payload=none\n"),
              "");
    EXPECT_EQ(warnings_of("measure func=KEY_CHECK op=create\nmeasure func=KEY_CHECK op=update\n"),
              "");
    EXPECT_EQ(warnings_of("measure func=KEY_CHECK desc=a\nmeasure func=KEY_CHECK desc=b\n"), "");
    EXPECT_EQ(warnings_of("measure func=KEY_CHECK uid=0\nmeasure func=KEY_CHECK\n"), "");
}

TEST(PolicyFormat, IsThePolicyAgain) {
    const Source source{"20-\x1b.policy",
                        "measure func=BUILTIN_TRUSTED_KEYS template=ima-ng\n"
                        "audit func=FILE_CHECK\n"
                        "measure  func=KEY_CHECK keyrings=a|\xff keyring_uid=* "
                        "op=update|create|move|link|instantiate uid>+5 "
                        "key_type=asymmetric|keyring\n"
                        "dont_measure func=KEY_CHECK key_type=* desc=\"x y\" op=create\n"
                        "measure func=KEY_CHECK key_type=*  pcr=1 pcr=011 payload=none\n"};
    const auto policy = parse({&source, 1});
    ASSERT_TRUE(policy) << to_string(policy.error());
    const std::string text = format(*policy);
    EXPECT_EQ(text,
              "# 20-\\x1b.policy:1\n"
              "measure func=KEY_CHECK keyrings=.builtin_trusted_keys\n"
              "# 20-\\x1b.policy:3\n"
              "measure func=KEY_CHECK keyrings=a|\xff keyring_uid=* uid>5\n"
              "# 20-\\x1b.policy:4\n"
              "dont_measure func=KEY_CHECK key_type=* op=create desc=\"x y\"\n"
              "# 20-\\x1b.policy:5\n"
              "measure func=KEY_CHECK key_type=* pcr=11 payload=none\n"
              "# 20-\\x1b.policy: 4 rules, 1 for IMA's other functions skipped\n"
              "# 20-\\x1b.policy:1:44: warning: measured with the template ima-buf, not with "
              "'ima-ng'\n");
    const auto again = parse_text(text);
    ASSERT_TRUE(again) << to_string(again.error());
    ASSERT_EQ(again->rules.size(), policy->rules.size());
    for (std::size_t i = 0; i < again->rules.size(); i++) {
        Rule rule = again->rules[i];
        rule.origin = policy->rules[i].origin;
        EXPECT_EQ(rule, policy->rules[i]);
    }
}

TEST(PolicyFiles, TheShippedOnesAreValidAndGiveNoWarning) {
    const std::string folder = FIXTURES "/../../policy/";
    for (const char* name : {"trusted-keyrings", "all-asymmetric", "ima-compatible"}) {
        std::ifstream file(folder + name + ".policy");
        std::ostringstream text;
        text << file.rdbuf();
        const auto policy = parse_text(text.str());
        ASSERT_TRUE(policy) << name << "\n" << to_string(policy.error());
        EXPECT_FALSE(policy->rules.empty()) << name;
        EXPECT_TRUE(policy->warnings.empty()) << name;
    }
}

}  // namespace policy_parser_test
}  // namespace keyscribe::policy
