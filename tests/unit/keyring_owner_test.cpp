// SPDX-License-Identifier: Apache-2.0
// Whose keyring an event is in: what the daemon knows of it, and what the policy then decides.
#include <gtest/gtest.h>

#include "controller/host/events/affected_keyrings.h"
#include "controller/host/measure/event_writer.h"
#include "policy/parser.h"

namespace keyscribe {
namespace keyring_owner_test {

constexpr std::uint32_t kRoot = 0, kUser = 1000;

policy::Policy policy_of(const std::string& text) {
    const policy::Source source{"x.policy", text};
    auto policy = policy::parse({&source, 1});
    EXPECT_TRUE(policy);
    return policy.value_or(policy::Policy{});
}

events::KeyEvent event_of(ks_operation operation, std::int32_t key, events::KeyringName keyring,
                          std::uint32_t owner) {
    events::KeyEvent event;
    event.operation = operation;
    event.key_serial = key;
    event.key_type = "asymmetric";
    event.description = "key " + std::to_string(key);
    event.keyring = std::move(keyring);
    event.keyring_uid = owner;
    return event;
}

/// A keyring that is made, in no keyring.
events::KeyEvent keyring_of(ks_operation operation, std::int32_t serial, const std::string& name,
                            std::uint32_t owner) {
    events::KeyEvent event = event_of(operation, serial, {}, UINT32_MAX);
    event.key_type = "keyring";
    event.description = name;
    event.key_uid = owner;
    return event;
}

std::size_t measured(const std::string& rules, const events::KeyEvent& event,
                     const events::KeyTable& table = events::KeyTable(0)) {
    const policy::Policy policy = policy_of(rules);
    return measure::judge_event(event, policy, table).size();
}

const std::string kRule = "measure func=KEY_CHECK keyrings=_ima op=all\n";
const events::KeyringName kRoots{1, "_ima"}, kUsers{2, "_ima"};

TEST(KeyringOwner, AnEventInAUsersNamesakeIsNotMeasured) {
    EXPECT_EQ(measured(kRule, event_of(KS_OP_CREATE, 10, kRoots, kRoot)), 1u);
    EXPECT_EQ(measured(kRule, event_of(KS_OP_CREATE, 10, kUsers, kUser)), 0u);
    EXPECT_EQ(measured(kRule, event_of(KS_OP_CREATE, 10, kRoots, UINT32_MAX)), 1u)
        << "where nobody knows, it is measured";
}

TEST(KeyringOwner, AMoveIsJudgedByTheOwnersOfBothKeyrings) {
    events::KeyEvent move = event_of(KS_OP_MOVE, 10, {3, "elsewhere"}, kUser);
    move.from = kRoots;
    move.from_uid = kRoot;
    EXPECT_EQ(measured(kRule, move), 1u);
    move.from = kUsers;
    move.from_uid = kUser;
    EXPECT_EQ(measured(kRule, move), 0u);
}

TEST(KeyringOwner, AnOperationOnTheKeyIsJudgedByTheOwnersOfItsHolders) {
    events::KeyTable table(0);
    table.take(event_of(KS_OP_CREATE, 10, kRoots, kRoot));
    table.take(event_of(KS_OP_CREATE, 11, kUsers, kUser));
    EXPECT_EQ(table.owner(1), kRoot);
    EXPECT_EQ(table.owner(2), kUser);
    EXPECT_EQ(table.owner(3), UINT32_MAX);
    EXPECT_EQ(measured(kRule, event_of(KS_OP_REVOKE, 10, {}, UINT32_MAX), table), 1u);
    EXPECT_EQ(measured(kRule, event_of(KS_OP_REVOKE, 11, {}, UINT32_MAX), table), 0u);
}

TEST(KeyringOwner, AKeyringThatIsMadeOrGivenAwayHasItsOwnersId) {
    events::KeyTable table(0);
    table.take(keyring_of(KS_OP_INSTANTIATE, 1, "_ima", kRoot));
    EXPECT_EQ(table.owner(1), kRoot);
    EXPECT_EQ(measured(kRule, keyring_of(KS_OP_INSTANTIATE, 2, "_ima", kUser), table), 0u);
    const events::KeyEvent given = keyring_of(KS_OP_CHOWN, 1, "_ima", kUser);
    EXPECT_EQ(measured(kRule, given, table), 1u) << "root's until now";
    table.take(given);
    EXPECT_EQ(table.owner(1), kUser);
    table.take(keyring_of(KS_OP_DESTROY, 1, "_ima", kUser));
    EXPECT_EQ(table.owner(1), UINT32_MAX);
}

TEST(KeyringOwner, AKeyringThatNoRuleNamesIsJudgedByThoseAboveIt) {
    const auto link = [](std::int32_t serial, const std::string& name, std::uint32_t owner) {
        events::KeyEvent event = keyring_of(KS_OP_LINK, serial, name, owner);
        event.keyring = kRoots;
        event.keyring_uid = kRoot;
        return event;
    };
    const events::KeyringName inner{20, "inner"};
    events::KeyTable table(0);
    const events::KeyEvent enters = event_of(KS_OP_CREATE, 10, inner, kUser);
    EXPECT_EQ(measured(kRule, enters, table), 0u);
    table.take(link(20, "inner", kUser));
    EXPECT_EQ(measured(kRule, enters, table), 1u);
    EXPECT_EQ(measured("dont_measure func=KEY_CHECK keyrings=inner keyring_uid=*\n" + kRule, enters,
                       table),
              0u);
    EXPECT_EQ(measured("dont_measure func=KEY_CHECK keyrings=inner\n" + kRule, enters, table), 1u)
        << "a rule about root's keyrings, and this is a user's";
    // A user's namesake of the keyring that holds it.
    table.take(link(2, "_ima", kUser));
    EXPECT_EQ(measured(kRule, event_of(KS_OP_CREATE, 10, kUsers, kUser), table), 1u);
}

TEST(KeyringOwner, AUsersNamesakeHidesNothing) {
    const std::string rules =
        "dont_measure func=KEY_CHECK keyrings=_ima\n"
        "measure func=KEY_CHECK\n";
    EXPECT_EQ(measured(rules, event_of(KS_OP_CREATE, 10, kUsers, kUser)), 1u);
    EXPECT_EQ(measured(rules, event_of(KS_OP_CREATE, 10, kRoots, kRoot)), 0u);
}

}  // namespace keyring_owner_test
}  // namespace keyscribe
