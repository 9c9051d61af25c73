// SPDX-License-Identifier: Apache-2.0
#include "controller/host/daemon/nested_keyrings.h"

#include <gtest/gtest.h>

#include "policy/parser.h"

namespace keyscribe {
namespace nested_keyrings_test {

policy::Policy policy_of(const std::string& text) {
    const policy::Source source{"x.policy", text};
    auto policy = policy::parse({&source, 1});
    EXPECT_TRUE(policy);
    return policy.value_or(policy::Policy{});
}

/// Of a keyring, named by its serial.
events::KeyEvent of(ks_operation operation, std::int32_t serial, events::KeyringName keyring) {
    events::KeyEvent event;
    event.operation = operation;
    event.key_serial = serial;
    event.key_type = "keyring";
    event.description = std::to_string(serial);
    event.keyring = std::move(keyring);
    return event;
}

std::string unasked(const daemon::NestedKeyrings& nested) {
    std::string text;
    for (const events::KeyringName& keyring : nested.unasked()) text += keyring.name + ' ';
    return text;
}

const events::KeyringName kWatched{1, "watched"}, kOther{2, "other"};

struct NestedKeyringsTest : ::testing::Test {
    daemon::NestedKeyrings nested;
    const policy::Policy policy = policy_of("measure func=KEY_CHECK keyrings=watched|30\n");
    void take(const events::KeyEvent& event) { nested.add(event, policy); }
};

TEST_F(NestedKeyringsTest, AreAskedForWhenTheyComeIntoAWatchedOneOrIntoOneOfThem) {
    take(of(KS_OP_LINK, 11, {10, "10"}));
    take(of(KS_OP_LINK, 12, kOther));
    EXPECT_FALSE(nested.are_unasked());
    take(of(KS_OP_CREATE, 17, kWatched));
    EXPECT_EQ(unasked(nested), "17 ");
    EXPECT_FALSE(nested.some_held_before());
    nested.note_asked();
    take(of(KS_OP_LINK, 10, kWatched));
    EXPECT_TRUE(nested.some_held_before());
    take(of(KS_OP_CREATE, 13, {10, "10"}));
    take(of(KS_OP_MOVE, 14, {13, "13"}));
    EXPECT_EQ(unasked(nested), "10 13 14 ");
    EXPECT_TRUE(nested.contains(14));
    EXPECT_FALSE(nested.contains(12));
    nested.note_asked();
    EXPECT_FALSE(nested.are_unasked());
    take(of(KS_OP_UNLINK, 10, kWatched));
    take(of(KS_OP_REVOKE, 10, {}));
    EXPECT_FALSE(nested.are_unasked());
}

TEST_F(NestedKeyringsTest, AreNoneThatARuleNamesNorOtherKeys) {
    take(of(KS_OP_LINK, 30, kWatched));
    events::KeyEvent key = of(KS_OP_LINK, 15, kWatched);
    key.key_type = "user";
    take(key);
    EXPECT_FALSE(nested.are_unasked());
    EXPECT_FALSE(nested.contains(30));
}

TEST_F(NestedKeyringsTest, AreKnownFromABaselineAndForgottenWithTheirEnd) {
    events::Baseline baseline;
    baseline.keyrings = {kWatched, {10, "10"}};
    take(of(KS_OP_LINK, 10, kWatched));
    nested.add(baseline, policy);
    EXPECT_FALSE(nested.are_unasked());
    EXPECT_TRUE(nested.contains(10));
    EXPECT_FALSE(nested.contains(1));
    take(of(KS_OP_LINK, 16, {10, "10"}));
    EXPECT_EQ(unasked(nested), "16 ");
    take(of(KS_OP_DESTROY, 16, {}));
    EXPECT_FALSE(nested.are_unasked());
    baseline.keyrings.clear();
    baseline.gone = {10};
    nested.add(baseline, policy);
    EXPECT_FALSE(nested.contains(10));
}

}  // namespace nested_keyrings_test
}  // namespace keyscribe
