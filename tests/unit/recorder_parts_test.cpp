// SPDX-License-Identifier: Apache-2.0
// The recorder's parts that need no TPM: from events and baselines to records, and what shares an
// extend.
#include <gtest/gtest.h>

#include "controller/host/measure/baseline_writer.h"
#include "controller/host/measure/event_writer.h"
#include "controller/host/measure/group.h"
#include "controller/host/measure/untold_ends.h"
#include "controller/host/settings/policy_loader.h"
#include "controller/list/cbor.h"

namespace keyscribe {
namespace recorder_parts_test {

const events::KeyringName kIma{1, ".ima"};
const events::KeyringName kOther{2, "other"};
constexpr unsigned kPcr = 13;

settings::LoadedPolicy policy_of(const std::string& rules) {
    auto loaded = settings::policy_of({{"10.policy", rules + "\n"}});
    if (!loaded) throw std::runtime_error(to_string(loaded.error()));
    return std::move(*loaded);
}

events::KeyEvent event(ks_operation operation, std::int32_t key,
                       const events::KeyringName& keyring = {}) {
    events::KeyEvent event;
    event.operation = operation;
    event.key_serial = key;
    event.key_type = "asymmetric";
    event.description = "key " + std::to_string(key);
    event.keyring = keyring;
    return event;
}

events::KeyEvent with_payload(events::KeyEvent event, std::string_view payload) {
    event.payload.assign(payload.begin(), payload.end());
    event.payload_length = static_cast<std::uint32_t>(payload.size());
    return event;
}

std::vector<std::string> names_of(const std::vector<measure::NamedBuf>& entries) {
    std::vector<std::string> names;
    for (const auto& entry : entries) names.push_back(entry.name);
    return names;
}

/// All entries of the event, as the policy wants them.
std::vector<measure::NamedBuf> entries_of(const events::KeyEvent& event, const std::string& rules,
                                          const events::KeyTable& table) {
    const auto loaded = policy_of(rules);
    std::vector<measure::NamedBuf> all;
    for (const auto& where : measure::judge_event(event, loaded.policy, table))
        for (auto& entry : measure::write_event(event, where, kPcr, table))
            all.push_back(std::move(entry));
    return all;
}

TEST(EventWriter, WritesThePayloadAndBehindItTheRecord) {
    const events::KeyTable table(1000);
    const auto created = with_payload(event(KS_OP_CREATE, 10, kIma), "certificate");
    const auto entries = entries_of(created, "measure func=KEY_CHECK", table);
    EXPECT_EQ(names_of(entries), (std::vector<std::string>{".ima", "keyscribe:create"}));
    EXPECT_EQ(entries[0].buf, created.payload);
    EXPECT_EQ(entries[1].pcr, kPcr);
}

TEST(EventWriter, WhatNoRuleWantsIsNotMeasured) {
    const events::KeyTable table(1000);
    const auto created = with_payload(event(KS_OP_CREATE, 10, kIma), "certificate");
    EXPECT_TRUE(entries_of(created, "measure func=KEY_CHECK keyrings=other", table).empty());
    EXPECT_TRUE(entries_of(created,
                           "dont_measure func=KEY_CHECK keyrings=.ima\nmeasure func=KEY_CHECK",
                           table)
                    .empty());
    auto kept = created;
    kept.flags = KS_EVENT_REMEMBER;
    EXPECT_TRUE(entries_of(kept, "measure func=KEY_CHECK", table).empty());
}

TEST(EventWriter, ARuleCanNameAPcrAndWantTheDigestAlone) {
    const events::KeyTable table(1000);
    const auto created = with_payload(event(KS_OP_CREATE, 10, kIma), "certificate");
    const auto entries = entries_of(created, "measure func=KEY_CHECK payload=digest pcr=11", table);
    EXPECT_EQ(names_of(entries), std::vector<std::string>{"keyscribe:create"});
    EXPECT_EQ(entries.at(0).pcr, 11u);
}

TEST(EventWriter, AKeyringsNameCannotPassForARecord) {
    const events::KeyTable table(1000);
    const auto created =
        with_payload(event(KS_OP_CREATE, 10, {3, "keyscribe:start"}), "certificate");
    EXPECT_EQ(names_of(entries_of(created, "measure func=KEY_CHECK", table)),
              std::vector<std::string>{"keyscribe:create"});
}

TEST(EventWriter, AnOperationOnAKeyIsMeasuredInEachKeyringThatHoldsIt) {
    events::KeyTable table(1000);
    table.take(event(KS_OP_CREATE, 10, kIma));
    table.take(event(KS_OP_LINK, 10, kOther));
    const auto loaded = policy_of("measure func=KEY_CHECK op=all");
    const auto measured = measure::judge_event(event(KS_OP_INVALIDATE, 10), loaded.policy, table);
    ASSERT_EQ(measured.size(), 2u);
    EXPECT_EQ(measured[0].affected.keyring.name, ".ima");
    EXPECT_EQ(measured[1].affected.keyring.name, "other");
}

TEST(EventWriter, ALinkBringsWhatTheKeyWasMadeFrom) {
    events::KeyTable table(1000);
    table.take(with_payload(event(KS_OP_CREATE, 10, kOther), "certificate with KEY in it"));
    auto link = event(KS_OP_LINK, 10, kIma);
    link.public_key = events::PublicKey{.algorithm = "rsa", .bytes = {'K', 'E', 'Y'}, .ids = {}};
    const auto entries = entries_of(link, "measure func=KEY_CHECK keyrings=.ima", table);
    EXPECT_EQ(names_of(entries), (std::vector<std::string>{".ima", "keyscribe:link"}));
}

events::Baseline baseline_of(std::vector<events::KeyringName> keyrings,
                             std::vector<events::KeyEvent> keys) {
    return {.reason = "order",
            .boot_time_ns = 7,
            .keyrings = std::move(keyrings),
            .keys = std::move(keys)};
}

events::PlaceInDoubt place(const events::KeyringName& keyring, std::int32_t key) {
    return {keyring.serial, events::key_index("asymmetric", "key " + std::to_string(key), key)};
}

TEST(BaselineWriter, ADoubtThatProvesRightIsNotTold) {
    events::KeyTable table(1000);
    table.take(event(KS_OP_CREATE, 10, kIma));
    table.take(event(KS_OP_UNLINK, 11, kIma));
    // What nobody doubts may differ: a policy need not want every change.
    const auto baseline =
        baseline_of({kIma}, {event(KS_OP_BASELINE, 10, kIma), event(KS_OP_BASELINE, 12, kIma)});
    EXPECT_TRUE(measure::contradicted_part(baseline, {place(kIma, 10), place(kIma, 11)}, table)
                    .keyrings.empty());
}

TEST(BaselineWriter, OneThatProvesWrongIsToldOfThatKeyringAlone) {
    events::KeyTable table(1000);
    table.take(event(KS_OP_CREATE, 10, kIma));
    table.take(event(KS_OP_CREATE, 20, kOther));
    const auto itself = event(KS_OP_BASELINE, kOther.serial);
    const auto baseline = baseline_of({kIma, kOther}, {event(KS_OP_BASELINE, 10, kIma), itself});
    const auto part =
        measure::contradicted_part(baseline, {place(kIma, 10), place(kOther, 20)}, table);
    ASSERT_EQ(part.keyrings.size(), 1u);
    EXPECT_EQ(part.keyrings[0].name, "other");
    ASSERT_EQ(part.keys.size(), 1u);
    EXPECT_EQ(part.keys[0].key_serial, kOther.serial);
    EXPECT_EQ(part.reason, "order");
}

TEST(BaselineWriter, AnotherKeyAtThePlaceIsAContradiction) {
    events::KeyTable table(1000);
    table.take(event(KS_OP_CREATE, 10, kIma));
    auto other = event(KS_OP_BASELINE, 99, kIma);
    other.description = "key 10";
    EXPECT_EQ(measure::contradicted_part(baseline_of({kIma}, {other}), {place(kIma, 10)}, table)
                  .keyrings.size(),
              1u);
}

TEST(BaselineWriter, BeginsAndEnds) {
    const auto loaded = policy_of("measure func=KEY_CHECK keyrings=.ima");
    events::KeyEvent ima = event(KS_OP_BASELINE, kIma.serial), reached = ima;
    ima.key_type = reached.key_type = "keyring";
    ima.description = kIma.name;
    reached.key_serial = kOther.serial;
    reached.description = kOther.name;
    std::vector<std::string> names;
    nlohmann::json begin;
    measure::write_baseline(
        baseline_of({kIma, kOther}, {ima, reached, event(KS_OP_BASELINE, 10, kIma)}), loaded.policy,
        "policy", {}, [&](const records::Record& record) {
            if (names.empty()) begin = *list::from_cbor(record.buf);
            names.push_back(record.name);
        });
    EXPECT_EQ(names, (std::vector<std::string>{"keyscribe:baseline-begin", "keyscribe:baseline",
                                               "keyscribe:baseline", "keyscribe:baseline",
                                               "keyscribe:baseline-end"}));
    EXPECT_EQ(begin["keyrings"][0].value("rule", false), true) << "a rule names it";
    EXPECT_EQ(begin["keyrings"][1].value("rule", false), false) << "a link led to it";
}

measure::NamedBuf record(std::size_t size = 1) { return {kPcr, "name", WipedBytes(size)}; }

TEST(UntoldEnds, AreToldByTheNextBaseline) {
    events::KeyTable table(1000);
    table.take(event(KS_OP_CREATE, 10, kIma));
    table.take(event(KS_OP_CREATE, 11, kOther));
    const auto ends = [](const events::KeyringName& keyring) {
        events::KeyEvent destroyed = event(KS_OP_DESTROY, keyring.serial);
        destroyed.key_type = "keyring";
        return destroyed;
    };
    measure::UntoldEnds untold;
    untold.note(ends(kIma), true, table);         // it has a record
    untold.note(ends(kOther), false, table);      // it has none
    untold.note(ends({3, "new"}), false, table);  // the list never had it
    untold.note(event(KS_OP_DESTROY, 10), false, table);
    events::Baseline baseline = baseline_of({}, {});
    baseline.gone = {77};
    EXPECT_EQ(untold.told_with(baseline).gone, (std::vector<std::int32_t>{77, kOther.serial}));
    EXPECT_EQ(untold.told_with(baseline).gone, std::vector<std::int32_t>{77});
    EXPECT_FALSE(untold.are_many());
    for (int i = 0; i < 1024; ++i) untold.note(ends(kOther), false, table);
    EXPECT_TRUE(untold.are_many());
}

TEST(Group, AShortQueueMakesNone) {
    measure::Group group;
    EXPECT_FALSE(group.is_due(0));
    group.add(record(), 1);
    group.add(record(), 1);
    group.end_event(false);
    EXPECT_TRUE(group.is_due(7));
    EXPECT_FALSE(group.is_due(8));
    EXPECT_EQ(group.entries().size(), 2u);
}

TEST(Group, ManyThatWaitShareAnExtend) {
    measure::Group group;
    for (unsigned i = 1; i <= 20; ++i) {
        group.add(record(), i);
        group.end_event(false);
        EXPECT_FALSE(group.is_due(8)) << i;
    }
    EXPECT_TRUE(group.is_due(0));
    EXPECT_EQ(group.entries().size(), 1u);
    EXPECT_EQ(group.events(), 20u);
    EXPECT_EQ(group.token(), 20u);
}

TEST(Group, ARuleCanWantAnExtendEach) {
    measure::Group group;
    group.add(record(), 1);
    group.add(record(), 1);
    group.end_event(true);
    EXPECT_TRUE(group.is_due(1000));
    EXPECT_EQ(group.entries().size(), 2u);
}

TEST(Group, IsNoLargerThanAnEntryMayBe) {
    measure::Group group;
    group.add(record(1 << 20), 1);
    EXPECT_TRUE(group.is_full());
    measure::Group many;
    for (int i = 0; i < 1024; ++i) many.add(record(), 1);
    EXPECT_TRUE(many.is_full());
    EXPECT_TRUE(many.is_due(1000));
}

}  // namespace recorder_parts_test
}  // namespace keyscribe
