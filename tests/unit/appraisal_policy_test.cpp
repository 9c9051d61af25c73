// SPDX-License-Identifier: Apache-2.0
// The appraisal policy's file.
#include <gtest/gtest.h>

#include "controller/service/appraise/policy.h"
#include "support.h"

namespace keyscribe::appraise {
namespace appraisal_policy_test {

TEST(AppraisalPolicy, TheFileHasTheDefaults) {
    const std::string file = FIXTURES "/../../controller/service/appraise/appraisal.toml";
    const auto parsed = parse_policy(testing::read_file(file), file);
    ASSERT_TRUE(parsed) << to_string(parsed.error());
    const AppraisalPolicy defaults;
    EXPECT_EQ(parsed->evidence.pcr, defaults.evidence.pcr);
    EXPECT_EQ(parsed->evidence.banks, defaults.evidence.banks);
    EXPECT_EQ(parsed->keyrings.watched, defaults.keyrings.watched);
    EXPECT_EQ(parsed->keyrings.exempt, defaults.keyrings.exempt);
    EXPECT_EQ(parsed->keyrings.types, defaults.keyrings.types);
    EXPECT_EQ(parsed->chain.signers, defaults.chain.signers);
    EXPECT_EQ(parsed->chain.reference_suffices, defaults.chain.reference_suffices);
    EXPECT_EQ(parsed->ima.signers, defaults.ima.signers);
    EXPECT_EQ(parsed->host.allow_restart, defaults.host.allow_restart);
    EXPECT_EQ(parsed->host.require_canary, defaults.host.require_canary);
    EXPECT_EQ(parsed->host.allow_policy_change, defaults.host.allow_policy_change);
}

TEST(AppraisalPolicy, WhatIsWrongIsSaidWithItsPlace) {
    const auto where = [](const char* text) {
        const auto parsed = parse_policy(text, "p");
        EXPECT_FALSE(parsed) << text;
        return parsed ? std::string() : parsed.error().where;
    };
    EXPECT_EQ(where("[keys]\nallow_expierd = true"), "p:2:1");
    EXPECT_EQ(where("[key]"), "p:1:2");
    EXPECT_EQ(where("[keys]\nallow_expired = 1"), "p:2:17");
    EXPECT_EQ(where("[evidence]\npcr = 24"), "p:2:7");
    EXPECT_EQ(where("[evidence]\nbanks = [\"sha1\"]"), "p:2:9");
    EXPECT_EQ(where("[host]\nbpf = [\"ABC\"]"), "p:2:7");
    EXPECT_EQ(where("[chain.signers]\n\".ima\" = 3").substr(0, 2), "p:");
    EXPECT_FALSE(parse_policy("[#", "p"));
}

}  // namespace appraisal_policy_test
}  // namespace keyscribe::appraise
