// SPDX-License-Identifier: Apache-2.0
// The runtime policy for Keylime, by the rules of its schema and of what it does with a list
// (controller/service/KEYLIME.md).
#include "controller/service/appraise/keylime_policy.h"

#include <gtest/gtest.h>

#include <regex>

#include "tests/support/host.h"

namespace keyscribe::appraise {
namespace keylime_policy_test {

using nlohmann::json;
using testing::Host;

class KeylimePolicy : public ::testing::Test {
  protected:
    KeylimePolicy() {
        EXPECT_TRUE(references_.add(host_.builtin, "build.der"));
        EXPECT_TRUE(references_.add(host_.ima, ".ima/ima.der", ".ima"));
    }
    json made(const Names& keyrings = {}) {
        const auto text = keylime_policy(references_, policy_, keyrings);
        EXPECT_TRUE(text) << to_string(text.error());
        return text ? json::parse(*text) : json();
    }
    /// As Python's re.match with the policy's excludes, joined as Keylime does it.
    bool excluded(const std::string& name) {
        return std::regex_search(name, std::regex(made()["excludes"][0].get<std::string>()),
                                 std::regex_constants::match_continuous);
    }
    const Host host_;
    ReferenceValues references_;
    AppraisalPolicy policy_;
    const std::string build_ = to_hex(sha256(host_.builtin)), ima_ = to_hex(sha256(host_.ima));
};

TEST_F(KeylimePolicy, HasWhatTheSchemaRequires) {
    const json policy = made();
    std::vector<std::string> members;
    for (const auto& [name, value] : policy.items()) members.push_back(name);
    EXPECT_EQ(members,
              (std::vector<std::string>{"digests", "excludes", "ima", "ima-buf", "keyrings", "meta",
                                        "release", "verification-keys"}));
    EXPECT_EQ(policy["meta"], json({{"version", 1}, {"generator", 3}}));
    EXPECT_EQ(policy["release"], 0);
    EXPECT_EQ(policy["digests"], json::object());
    EXPECT_EQ(policy["ima-buf"], json::object());
    EXPECT_EQ(policy["verification-keys"], "");
    EXPECT_EQ(policy["ima"], json({{"ignored_keyrings", json::array({".blacklist"})},
                                   {"log_hash_alg", "sha1"},
                                   {"dm_policy", nullptr}}));
    ASSERT_EQ(policy["excludes"].size(), 1u);
    const std::regex digest("^[0-9a-f]{40,128}$");
    for (const auto& [name, digests] : policy["keyrings"].items()) {
        EXPECT_FALSE(digests.empty()) << name;
        for (const auto& each : digests)
            EXPECT_TRUE(std::regex_match(each.get<std::string>(), digest)) << each;
    }
}

TEST_F(KeylimePolicy, WhichKeyrings) {
    EXPECT_EQ(made()["keyrings"], json({{".ima", {build_, ima_}}}));
    EXPECT_EQ(made({".secondary_trusted_keys", ".ima"})["keyrings"],
              json({{".ima", {build_, ima_}}, {".secondary_trusted_keys", json::array({build_})}}));
    policy_.keyrings.watched = {".machine", "x*", ".evm"};
    EXPECT_EQ(made()["keyrings"], json({{".ima", {build_, ima_}},
                                        {".machine", json::array({build_})},
                                        {".evm", json::array({build_})}}));
    // As the list has it.
    EXPECT_EQ(made({"my ring"})["keyrings"], json({{"my_ring", json::array({build_})}}));
}

TEST_F(KeylimePolicy, WhatCannotBeIsSaid) {
    ReferenceValues anywhere;
    EXPECT_TRUE(anywhere.add(host_.builtin, "build.der"));
    EXPECT_FALSE(keylime_policy(anywhere, policy_, {}));
    ReferenceValues elsewhere;
    EXPECT_TRUE(elsewhere.add(host_.builtin, "x/build.der", "x"));
    EXPECT_FALSE(keylime_policy(elsewhere, policy_, {".ima"}));
    // A typing mistake: nothing would be compared, and Keylime take any key.
    const auto mistaken = keylime_policy(anywhere, policy_, {".imma"});
    ASSERT_FALSE(mistaken);
    EXPECT_EQ(mistaken.error().hint, "did you mean '.ima'?");
    // The text list writes them in octal, and Keylime hashes what it reads.
    for (const char* name : {"", "back\\slash", "b\xc3\xa4r"})
        EXPECT_FALSE(keylime_policy(anywhere, policy_, {name})) << name;
}

TEST_F(KeylimePolicy, RecordsPassThatSayNothingAgainstTheHost) {
    for (const char* kind : {"start", "policy", "baseline", "baseline-begin", "baseline-end",
                             "create", "update", "instantiate", "reject", "link", "unlink", "move",
                             "clear", "restrict", "timeout", "setperm", "chown", "destroy"})
        EXPECT_TRUE(excluded(std::string("keyscribe:") + kind)) << kind;
    const Names told = {"batch",    "loss",     "missed", "drop",       "foreign",
                        "tampered", "detached", "revoke", "invalidate", "restart"};
    for (const std::string& kind : told) EXPECT_FALSE(excluded("keyscribe:" + kind)) << kind;
    EXPECT_FALSE(excluded(".ima"));
    EXPECT_FALSE(excluded("keyscribe:"));
    policy_.host.allow_restart = policy_.keys.allow_revoked = true;
    for (const char* kind : {"restart", "revoke", "invalidate"})
        EXPECT_TRUE(excluded(std::string("keyscribe:") + kind)) << kind;
    EXPECT_FALSE(excluded("keyscribe:batch"));
}

}  // namespace keylime_policy_test
}  // namespace keyscribe::appraise
