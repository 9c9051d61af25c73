// SPDX-License-Identifier: Apache-2.0
#include "controller/host/daemon/order_watch.h"

#include <gtest/gtest.h>

namespace keyscribe {
namespace order_watch_test {

using daemon::OrderWatch;

const events::KeyringName kRing{1, "ring"};
const events::KeyringName kOther{2, "other"};
constexpr std::uint64_t kSecond = 1'000'000'000;

events::KeyEvent change(ks_operation operation, std::uint32_t task, const std::string& description,
                        const events::KeyringName& keyring = kRing, std::uint64_t time = 0) {
    events::KeyEvent event;
    event.operation = operation;
    event.actor.tid = task;
    event.key_type = "user";
    event.description = description;
    event.keyring = keyring;
    event.boot_time_ns = time;
    return event;
}

events::KeyEvent emptying(ks_operation operation, std::uint32_t task,
                          const events::KeyringName& keyring = kRing, std::uint64_t time = 0) {
    events::KeyEvent event = change(operation, task, keyring.name, {}, time);
    event.key_type = "keyring";
    event.key_serial = keyring.serial;
    if (operation == KS_OP_CLEAR) event.keyring = keyring;
    return event;
}

events::PlaceInDoubt place(const events::KeyringName& keyring, const std::string& description) {
    return {keyring.serial, events::key_index("user", description, 0)};
}

using Doubts = std::vector<events::PlaceInDoubt>;

// Seven keyctl, one behind the other: whatever their order, the keyring holds the same in the end.
TEST(OrderWatch, DifferentKeysOfAKeyringAreInOrderWhoeverAddsThem) {
    OrderWatch watch;
    for (std::uint32_t task = 1; task <= 7; ++task)
        watch.add(change(KS_OP_CREATE, task, "key " + std::to_string(task)));
    EXPECT_FALSE(watch.has_doubts());
}

TEST(OrderWatch, OneTaskIsInOrder) {
    OrderWatch watch;
    for (const auto operation : {KS_OP_CREATE, KS_OP_UNLINK, KS_OP_LINK, KS_OP_MOVE})
        watch.add(change(operation, 1, "key"));
    watch.add(emptying(KS_OP_CLEAR, 1));
    watch.add(change(KS_OP_CREATE, 1, "key"));
    EXPECT_FALSE(watch.has_doubts());
}

TEST(OrderWatch, TwoTasksAtOnePlaceAreInDoubtWhateverTheTimeBetween) {
    OrderWatch watch;
    watch.add(change(KS_OP_LINK, 1, "key", kRing, 0));
    watch.add(change(KS_OP_UNLINK, 2, "key", kRing, 3600 * kSecond));
    ASSERT_TRUE(watch.has_doubts());
    ASSERT_EQ(watch.keyrings_in_doubt().size(), 1u);
    EXPECT_EQ(watch.keyrings_in_doubt()[0].name, "ring");
    EXPECT_EQ(watch.take_doubts(), Doubts{place(kRing, "key")});
    EXPECT_FALSE(watch.has_doubts());
    // The next record of the first task may be late as well.
    watch.add(change(KS_OP_LINK, 1, "key"));
    EXPECT_TRUE(watch.has_doubts());
}

// Its record says that the key stands there; meanwhile another one was linked in its place.
TEST(OrderWatch, AnUpdateCanBeLateAsWell) {
    OrderWatch watch;
    watch.add(change(KS_OP_LINK, 1, "key"));
    watch.add(change(KS_OP_UPDATE, 2, "key"));
    EXPECT_EQ(watch.take_doubts(), Doubts{place(kRing, "key")});
    watch.add(change(KS_OP_UPDATE, 3, "key", {}));  // by keyctl(2), of no keyring
    EXPECT_FALSE(watch.has_doubts());
}

// The record does not say of which network namespace a key is: did it displace the one before?
TEST(OrderWatch, AKeyOfAnotherNetworkMayStandBesideTheFormer) {
    OrderWatch watch;
    const auto add = [&](std::int32_t serial) {
        events::KeyEvent event = change(KS_OP_CREATE, 1, "example.com");
        event.key_type = "dns_resolver";
        event.key_serial = serial;
        watch.add(event);
    };
    add(10);
    EXPECT_FALSE(watch.has_doubts());
    add(11);
    EXPECT_EQ(watch.take_doubts(),
              (Doubts{{kRing.serial, events::key_index("dns_resolver", "example.com", 10)}}));
    add(11);
    EXPECT_FALSE(watch.has_doubts());
}

TEST(OrderWatch, AMoveConcernsBothKeyrings) {
    OrderWatch watch;
    watch.add(change(KS_OP_CREATE, 1, "key", kRing));
    watch.add(change(KS_OP_CREATE, 1, "key", kOther));
    events::KeyEvent move = change(KS_OP_MOVE, 2, "key", kRing);
    move.from = kOther;
    watch.add(move);
    EXPECT_EQ(watch.take_doubts(), (Doubts{place(kRing, "key"), place(kOther, "key")}));
}

TEST(OrderWatch, EmptyingAKeyringConcernsAllThatStandsInIt) {
    for (const auto operation : {KS_OP_CLEAR, KS_OP_REVOKE}) {
        OrderWatch watch;
        watch.add(change(KS_OP_CREATE, 1, "key"));
        watch.add(change(KS_OP_CREATE, 2, "own"));
        watch.add(emptying(operation, 2));
        EXPECT_EQ(watch.take_doubts(), Doubts{place(kRing, "key")});
        // What follows may have happened before.
        watch.add(change(KS_OP_CREATE, 2, "own"));
        EXPECT_FALSE(watch.has_doubts());
        watch.add(change(KS_OP_CREATE, 3, "new", kRing, 9 * kSecond));
        EXPECT_EQ(watch.take_doubts(), Doubts{place(kRing, "new")});
        // But not for ever: each key that comes would be asked for.
        watch.add(change(KS_OP_CREATE, 4, "later", kRing, 11 * kSecond));
        EXPECT_FALSE(watch.has_doubts());
    }
}

TEST(OrderWatch, WhatChangesNoKeyringIsOfNoConcern) {
    OrderWatch watch;
    watch.add(change(KS_OP_CREATE, 1, "key"));
    for (const auto operation : {KS_OP_TIMEOUT, KS_OP_SETPERM, KS_OP_INVALIDATE})
        watch.add(change(operation, 2, "key"));
    events::KeyEvent kept = change(KS_OP_CREATE, 2, "key");
    kept.flags = KS_EVENT_REMEMBER;
    watch.add(kept);
    events::KeyEvent destroyed = emptying(KS_OP_DESTROY, 2);
    watch.add(destroyed);
    EXPECT_FALSE(watch.has_doubts());
}

TEST(OrderWatch, WhatItRemembersIsBounded) {
    OrderWatch watch;
    for (int i = 0; i < 20000; ++i) watch.add(change(KS_OP_CREATE, 1, std::to_string(i)));
    watch.add(change(KS_OP_UNLINK, 2, "0"));
    EXPECT_FALSE(watch.has_doubts());
    watch.add(change(KS_OP_UNLINK, 2, "19999"));
    EXPECT_TRUE(watch.has_doubts());
}

}  // namespace order_watch_test
}  // namespace keyscribe
