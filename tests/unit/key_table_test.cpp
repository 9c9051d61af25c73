// SPDX-License-Identifier: Apache-2.0
#include "controller/host/events/key_table.h"

#include <gtest/gtest.h>
#include <linux/keyctl.h>

#include "controller/host/events/affected_keyrings.h"

namespace keyscribe {
namespace key_table_test {

events::KeyEvent in_keyring(ks_operation operation, std::int32_t key, events::KeyringName keyring,
                            const std::string& type = "asymmetric") {
    events::KeyEvent event;
    event.operation = operation;
    event.key_serial = key;
    event.key_type = type;
    event.description = "key " + std::to_string(key);
    event.keyring = std::move(keyring);
    return event;
}

const events::KeyringName kIma{1, ".ima"};
const events::KeyringName kOther{2, "other"};

std::string names(const std::vector<events::KeyringName>& keyrings) {
    std::string text;
    for (const events::KeyringName& keyring : keyrings) text += keyring.name + ' ';
    return text;
}

std::string judged(const std::vector<events::AffectedKeyring>& keyrings) {
    std::string text;
    for (const events::AffectedKeyring& affected : keyrings)
        text += affected.judged_as + '@' + std::to_string(affected.keyring.serial) +
                (affected.brings_material ? "+ " : " ");
    return text;
}

TEST(KeyTable, KnowsWhoHoldsAKey) {
    events::KeyTable table(1000);
    table.take(in_keyring(KS_OP_CREATE, 10, kIma));
    table.take(in_keyring(KS_OP_LINK, 10, kOther));
    EXPECT_EQ(names(table.holders(10)), ".ima other ");
    table.take(in_keyring(KS_OP_UNLINK, 10, kIma));
    EXPECT_EQ(names(table.holders(10)), "other ");
    events::KeyEvent move = in_keyring(KS_OP_MOVE, 10, kIma);
    move.from = kOther;
    table.take(move);
    EXPECT_EQ(names(table.holders(10)), ".ima ");
    table.take(in_keyring(KS_OP_CLEAR, 1, kIma, "keyring"));
    EXPECT_EQ(names(table.holders(10)), "");
    EXPECT_EQ(table.keys(), 0u);
}

TEST(KeyTable, AKeyTakesThePlaceOfOneWithItsTypeAndDescription) {
    events::KeyTable table(1000);
    events::KeyEvent first = in_keyring(KS_OP_CREATE, 10, kIma);
    events::KeyEvent second = in_keyring(KS_OP_CREATE, 11, kIma);
    first.description = second.description = "same";
    table.take(first);
    table.take(second);
    EXPECT_EQ(names(table.holders(10)), "");
    EXPECT_EQ(names(table.holders(11)), ".ima ");
    // A late unlink of the one that is gone does not touch the other.
    first.operation = KS_OP_UNLINK;
    table.take(first);
    EXPECT_EQ(names(table.holders(11)), ".ima ");
}

TEST(KeyTable, ADestroyedOrRevokedKeyringHoldsNothing) {
    for (const ks_operation end : {KS_OP_DESTROY, KS_OP_REVOKE}) {
        events::KeyTable table(1000);
        table.take(in_keyring(KS_OP_CREATE, 10, kIma));
        events::KeyEvent event = in_keyring(end, 1, {}, "keyring");
        table.take(event);
        EXPECT_EQ(names(table.holders(10)), "");
    }
}

TEST(KeyTable, CompletesWhatHasTheSerialAlone) {
    events::KeyTable table(1000);
    events::KeyEvent created = in_keyring(KS_OP_CREATE, 10, kIma, "user");
    created.key_perm = 0x3f010000;
    created.key_uid = 5;
    table.take(created);
    events::KeyEvent chown;
    chown.operation = KS_OP_CHOWN;
    chown.flags = KS_EVENT_SERIAL_ONLY;
    chown.key_serial = 10;
    table.complete(chown);
    EXPECT_EQ(chown.description, "key 10");
    EXPECT_EQ(chown.key_type, "user");
    EXPECT_EQ(chown.key_uid, UINT32_MAX) << "not known";
    EXPECT_EQ(chown.key_perm, 0x3f010000u);

    events::KeyEvent setperm;
    setperm.operation = KS_OP_SETPERM;
    setperm.flags = KS_EVENT_SERIAL_ONLY;
    setperm.key_serial = 10;
    setperm.key_perm = 0x3f3f0000;
    table.complete(setperm);
    EXPECT_EQ(setperm.key_uid, 5u);
    events::KeyEvent unknown = setperm;
    unknown.key_serial = 11;
    unknown.key_uid = 0;
    table.complete(unknown);
    EXPECT_EQ(unknown.key_uid, UINT32_MAX) << "nobody says that it is root's";
    EXPECT_EQ(setperm.key_perm, 0x3f3f0000u);
}

TEST(KeyTable, KeepsWhatKeysWereMadeFromWithinBounds) {
    events::KeyTable table(10);
    events::KeyEvent event = in_keyring(KS_OP_CREATE, 10, kOther);
    event.payload = {1, 2, 3, 4, 5, 6};
    event.flags = KS_EVENT_REMEMBER;
    table.take(event);
    EXPECT_EQ(table.keys(), 0u);
    events::KeyEvent link = in_keyring(KS_OP_LINK, 10, kIma);
    EXPECT_EQ(table.material(link), nullptr) << "without the kernel's word it may be another key";
    link.public_key = events::PublicKey{"rsa", {3, 4}, {}};
    ASSERT_NE(table.material(link), nullptr);
    EXPECT_EQ(*table.material(link), event.payload);
    link.public_key->bytes = {4, 3};
    EXPECT_EQ(table.material(link), nullptr);

    event.key_serial = 11;
    table.take(event);
    link.public_key->bytes = {3, 4};
    EXPECT_EQ(table.material(link), nullptr) << "the oldest goes first";
}

TEST(KeyTable, ABaselineTakesThePlaceOfWhatWasThere) {
    events::KeyTable table(1000);
    table.take(in_keyring(KS_OP_CREATE, 10, kIma));
    table.take(in_keyring(KS_OP_CREATE, 11, kOther));
    events::Baseline baseline;
    baseline.keyrings = {kIma};
    baseline.keys = {in_keyring(KS_OP_BASELINE, 12, kIma)};
    table.take(baseline);
    EXPECT_EQ(names(table.holders(10)), "");
    EXPECT_EQ(names(table.holders(11)), "other ");
    EXPECT_EQ(names(table.holders(12)), ".ima ");
}

// As the list's model has it: so a late record contradicts what the kernel says.
TEST(KeyTable, AnUpdatedKeyStandsInItsKeyring) {
    events::KeyTable table(1000);
    events::KeyEvent update = in_keyring(KS_OP_UPDATE, 10, kIma);
    table.take(update);
    EXPECT_EQ(names(table.holders(10)), ".ima ");
    table.take(in_keyring(KS_OP_UPDATE, 10, {}));
    EXPECT_EQ(names(table.holders(10)), ".ima ");
    update.keyring = kOther;
    update.flags = KS_EVENT_REMEMBER;
    table.take(update);
    EXPECT_EQ(names(table.holders(10)), ".ima ");
}

TEST(KeyTable, AKeyringThatIsGoneHeldWhatVanished) {
    events::KeyTable table(1000);
    table.take(in_keyring(KS_OP_CREATE, 10, kIma));
    table.take(in_keyring(KS_OP_CREATE, 11, kOther));
    table.take(in_keyring(KS_OP_LINK, 10, kOther));
    events::Baseline baseline;
    baseline.keyrings = {kIma};
    baseline.keys = {in_keyring(KS_OP_BASELINE, 10, kIma)};
    baseline.gone = {kOther.serial, 77};
    EXPECT_EQ(table.difference(baseline).appeared, 0u);
    EXPECT_EQ(table.difference(baseline).vanished, 2u);
    table.take(baseline);
    EXPECT_EQ(names(table.holders(10)), ".ima ");
    EXPECT_EQ(table.keyring_name(kOther.serial), nullptr);
}

events::KeyringName keyring_key(std::int32_t serial) {
    return {serial, "key " + std::to_string(serial)};
}

TEST(KeyTable, KnowsTheKeyringsAboveOne) {
    events::KeyTable table(1000);
    table.take(in_keyring(KS_OP_LINK, 20, kIma, "keyring"));
    table.take(in_keyring(KS_OP_LINK, 21, keyring_key(20), "keyring"));
    table.take(in_keyring(KS_OP_LINK, 21, kOther, "keyring"));
    EXPECT_EQ(names(table.above(21)), "key 20 other .ima ");
    EXPECT_EQ(names(table.above(1)), "");
    EXPECT_EQ(names(table.above(99)), "");
    // The kernel refuses a cycle; of records in another order than the operations one can be made.
    table.take(in_keyring(KS_OP_LINK, 20, keyring_key(21), "keyring"));
    EXPECT_EQ(names(table.above(21)), "key 20 other .ima ");
    table.take(in_keyring(KS_OP_UNLINK, 20, kIma, "keyring"));
    EXPECT_EQ(names(table.above(21)), "key 20 other ");
    for (int serial = 31; serial < 40; ++serial)
        table.take(in_keyring(KS_OP_LINK, serial, keyring_key(serial - 1), "keyring"));
    EXPECT_EQ(table.above(39).size(), 6u) << "a search looks into six levels below a keyring";
}

TEST(AffectedKeyrings, WhatHappensInAKeyringConcernsThoseAboveIt) {
    events::KeyTable table(1000);
    table.take(in_keyring(KS_OP_LINK, 20, kIma, "keyring"));
    table.take(in_keyring(KS_OP_LINK, 21, keyring_key(20), "keyring"));
    EXPECT_EQ(
        judged(events::affected_keyrings(in_keyring(KS_OP_CREATE, 10, keyring_key(21)), table)),
        "key 21@21+ key 20@21+ .ima@21+ ");
    table.take(in_keyring(KS_OP_CREATE, 10, keyring_key(21)));
    EXPECT_EQ(judged(events::affected_keyrings(in_keyring(KS_OP_REVOKE, 10, {}), table)),
              "key 21@21 key 20@21 .ima@21 ");
    events::KeyEvent move = in_keyring(KS_OP_MOVE, 10, kOther);
    move.from = keyring_key(20);
    EXPECT_EQ(judged(events::affected_keyrings(move, table)), "other@2+ key 20@2 .ima@2 ");
}

TEST(AffectedKeyrings, AnOperationOnTheKeyItselfConcernsAllWhoHoldIt) {
    events::KeyTable table(1000);
    table.take(in_keyring(KS_OP_CREATE, 10, kIma));
    table.take(in_keyring(KS_OP_LINK, 10, kOther));
    EXPECT_EQ(judged(events::affected_keyrings(in_keyring(KS_OP_UPDATE, 10, {}), table)),
              ".ima@1+ other@2+ ");
    EXPECT_EQ(judged(events::affected_keyrings(in_keyring(KS_OP_REVOKE, 10, {}), table)),
              ".ima@1 other@2 ");
    EXPECT_EQ(judged(events::affected_keyrings(in_keyring(KS_OP_REVOKE, 99, {}), table)), "@0 ");
}

// request_key(2) puts a key under construction into one keyring, its helper makes it in another;
// and add_key(2) updates a key by way of any keyring that holds it.
TEST(AffectedKeyrings, WhatAKeyIsConcernsAllWhoHoldIt) {
    events::KeyTable table(1000);
    table.take(in_keyring(KS_OP_LINK, 10, kIma));
    for (const ks_operation operation : {KS_OP_INSTANTIATE, KS_OP_UPDATE})
        EXPECT_EQ(judged(events::affected_keyrings(in_keyring(operation, 10, kOther), table)),
                  "other@2+ .ima@1+ ");
    EXPECT_EQ(judged(events::affected_keyrings(in_keyring(KS_OP_REJECT, 10, kOther), table)),
              "other@2 .ima@1 ");
    EXPECT_EQ(judged(events::affected_keyrings(in_keyring(KS_OP_UPDATE, 10, kIma), table)),
              ".ima@1+ ");
}

TEST(AffectedKeyrings, AnOperationInAKeyringConcernsThatOne) {
    const events::KeyTable table(1000);
    EXPECT_EQ(judged(events::affected_keyrings(in_keyring(KS_OP_LINK, 10, kIma), table)),
              ".ima@1+ ");
    EXPECT_EQ(judged(events::affected_keyrings(in_keyring(KS_OP_UNLINK, 10, kIma), table)),
              ".ima@1 ");
    EXPECT_EQ(judged(events::affected_keyrings(in_keyring(KS_OP_CLEAR, 1, kIma, "keyring"), table)),
              ".ima@1 ");
    events::KeyEvent move = in_keyring(KS_OP_MOVE, 10, kIma);
    move.from = kOther;
    EXPECT_EQ(judged(events::affected_keyrings(move, table)), ".ima@1+ other@1 ");
    // What happens to a keyring concerns whoever names that one.
    EXPECT_EQ(
        judged(events::affected_keyrings(in_keyring(KS_OP_LINK, 10, kOther, "keyring"), table)),
        "other@2+ key 10@2 ");
    EXPECT_EQ(
        judged(events::affected_keyrings(in_keyring(KS_OP_INSTANTIATE, 10, {}, "keyring"), table)),
        "key 10@10 ");
}

}  // namespace key_table_test
}  // namespace keyscribe
