// SPDX-License-Identifier: Apache-2.0
#include "controller/host/spool/spool.h"

#include <gtest/gtest.h>

#include <thread>

namespace keyscribe {
namespace spool_test {

using namespace std::chrono_literals;

events::KeyEvent event(std::uint64_t sequence, std::size_t payload = 10) {
    events::KeyEvent made;
    made.sequence = sequence;
    made.payload.assign(payload, 0x30);
    return made;
}

spool::PolicyChange first_policy() {
    return {.loaded = std::make_shared<settings::LoadedPolicy>(), .generation = 1};
}

std::uint64_t sequence_of(const std::optional<spool::SpoolItem>& item) {
    return std::get<events::KeyEvent>(item.value()).sequence;
}

TEST(Spool, GivesNothingBeforeThereIsAPolicy) {
    spool::Spool spool(1 << 20, 0s);
    spool.push(event(1));
    EXPECT_FALSE(spool.pop(0s));
    EXPECT_EQ(spool.totals().waiting, 1u);
}

TEST(Spool, TheFirstPolicyGoesBeforeWhatWaitedForIt) {
    spool::Spool spool(1 << 20, 0s);
    spool.push(event(1));
    spool.push(event(2));
    spool.push(first_policy());
    spool.push(event(3));
    EXPECT_TRUE(std::holds_alternative<spool::PolicyChange>(spool.pop(0s).value()));
    for (const std::uint64_t sequence : {1u, 2u, 3u})
        EXPECT_EQ(sequence_of(spool.pop(0s)), sequence);
    EXPECT_FALSE(spool.pop(0s));
    EXPECT_EQ(spool.totals().waiting, 0u);
    EXPECT_EQ(spool.totals().waiting_bytes, 0u);
}

TEST(Spool, LaterPoliciesKeepTheirPlace) {
    spool::Spool spool(1 << 20, 0s);
    spool.push(first_policy());
    spool.push(event(1));
    spool.push(
        spool::PolicyChange{.loaded = std::make_shared<settings::LoadedPolicy>(), .generation = 2});
    spool.push(event(2));
    EXPECT_EQ(std::get<spool::PolicyChange>(*spool.pop(0s)).generation, 1u);
    EXPECT_EQ(sequence_of(spool.pop(0s)), 1u);
    EXPECT_EQ(std::get<spool::PolicyChange>(*spool.pop(0s)).generation, 2u);
    EXPECT_EQ(sequence_of(spool.pop(0s)), 2u);
}

TEST(Spool, WhatGoesBeyondAUsersBudgetIsOneRecord) {
    spool::Spool spool(1 << 20, 0s, 5000);
    spool.push(first_policy());
    (void)spool.pop(0s);
    std::uint64_t kept = 0;
    for (std::uint64_t sequence = 1; sequence <= 20; ++sequence) {
        events::KeyEvent users = event(sequence, 1000);
        users.keyring = {5, "theirs"};
        users.keyring_uid = 1000;
        // Whose key it is says nothing where root's keyring holds it.
        users.key_uid = 1000;
        if (sequence > 15) users.keyring_uid = 0;
        spool.push(users);
    }
    while (const auto item = spool.pop(0s)) kept += std::holds_alternative<events::KeyEvent>(*item);
    EXPECT_LT(kept, 10u);
    EXPECT_EQ(spool.totals().untold, 20 - kept);
    EXPECT_EQ(spool.totals().dropped, 20 - kept);
    spool.settle();
    EXPECT_FALSE(spool.is_settled()) << "something is still to be told";
    spool.expire();
    const auto drop = std::get<spool::Drop>(spool.pop(0s).value());
    EXPECT_EQ(spool::name_of(drop.reason), "budget");
    EXPECT_EQ(drop.uid, 1000u);
    EXPECT_EQ(drop.count, 20 - kept);
    EXPECT_EQ(drop.last_sequence, 15u);
    EXPECT_EQ(spool.totals().untold, 0u);
    spool.settle();
    EXPECT_TRUE(spool.is_settled());
}

TEST(Spool, AMoveOutOfRootsKeyringTakesNoUsersBudget) {
    spool::Spool spool(1 << 20, 0s, 1);
    events::KeyEvent move = event(1);
    move.keyring = {5, "theirs"};
    move.keyring_uid = 1000;
    move.from = {6, "roots"};
    move.from_uid = 0;
    spool.push(move);
    EXPECT_EQ(spool.totals().waiting, 1u);
    move.from_uid = 1000;
    spool.push(move);
    EXPECT_EQ(spool.totals().untold, 1u);
}

TEST(Spool, AFullSpoolDropsTheNewcomerAndSaysSo) {
    spool::Spool spool(3 * (sizeof(events::KeyEvent) + 1000), 0s);
    for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) spool.push(event(sequence, 1000));
    EXPECT_EQ(spool.totals().waiting, 3u);
    EXPECT_EQ(spool.totals().dropped, 2u);
    spool.push(first_policy());
    spool.pop(0s);
    const spool::Drop drop = std::get<spool::Drop>(*spool.pop(0s));
    EXPECT_EQ(drop.reason, spool::Drop::Reason::kSize);
    EXPECT_EQ(drop.count, 2u);
    EXPECT_EQ(drop.first_sequence, 4u);
    EXPECT_EQ(drop.last_sequence, 5u);
    EXPECT_EQ(sequence_of(spool.pop(0s)), 1u);
}

TEST(Spool, TheDeadlineDropsWhatIsOlder) {
    spool::Spool spool(1 << 20, 10s);
    spool.push(event(1));
    spool.push(event(2));
    spool.expire(spool::Spool::Clock::now() + 5s);
    EXPECT_EQ(spool.totals().waiting, 2u);
    spool.expire(spool::Spool::Clock::now() + 11s);
    EXPECT_EQ(spool.totals().waiting, 0u);
    EXPECT_EQ(spool.totals().dropped, 2u);
    spool.push(event(3));
    spool.push(first_policy());
    spool.pop(0s);
    EXPECT_EQ(std::get<spool::Drop>(*spool.pop(0s)).reason, spool::Drop::Reason::kDeadline);
    EXPECT_EQ(sequence_of(spool.pop(0s)), 3u);
}

TEST(Spool, WithoutADeadlineNothingExpires) {
    spool::Spool spool(1 << 20, 0s);
    spool.push(event(1));
    spool.expire(spool::Spool::Clock::now() + 100h);
    EXPECT_EQ(spool.totals().waiting, 1u);
}

TEST(Spool, LossesNextToEachOtherAreOne) {
    spool::Spool spool(1 << 20, 0s);
    spool.push(first_policy());
    spool.push(events::Loss{.first = 3, .last = 4});
    spool.push(events::Loss{.first = 5, .last = 9});
    spool.push(events::Loss{.first = 11, .last = 11});
    spool.pop(0s);
    EXPECT_EQ(std::get<events::Loss>(*spool.pop(0s)), (events::Loss{.first = 3, .last = 9}));
    EXPECT_EQ(std::get<events::Loss>(*spool.pop(0s)), (events::Loss{.first = 11, .last = 11}));
}

TEST(Spool, KnowsWhetherALookAtTheKeyringsWaits) {
    spool::Spool spool(1 << 20, 0s);
    spool.push(first_policy());
    EXPECT_FALSE(spool.has_refresh());
    spool.push(spool::BaselineRefresh{std::make_shared<const events::Baseline>()});
    ASSERT_TRUE(spool.pop(0s));
    EXPECT_TRUE(spool.has_refresh());
    ASSERT_TRUE(spool.pop(0s));
    EXPECT_FALSE(spool.has_refresh());
}

TEST(Spool, TwoThreads) {
    spool::Spool spool(1 << 30, 0s);
    spool.push(first_policy());
    std::jthread producer([&] {
        for (std::uint64_t sequence = 1; sequence <= 20000; ++sequence) spool.push(event(sequence));
        spool.close();
    });
    std::uint64_t last = 0;
    while (auto item = spool.pop(10s))
        if (auto* taken = std::get_if<events::KeyEvent>(&*item)) {
            EXPECT_EQ(taken->sequence, last + 1);
            last = taken->sequence;
        }
    EXPECT_EQ(last, 20000u);
}

TEST(Spool, HowFarARingIsReadIsOfThatRingAlone) {
    spool::Spool spool(1 << 20, 0s);
    events::KeyEvent event;
    event.ring = 5;
    event.ring_position = 100;
    spool.push(event);
    spool.account_for(5, 2);
    EXPECT_EQ(spool.progress().received, 3u);
    EXPECT_EQ(spool.progress().position, 100u);
    // The ring of another build takes its place, with what came twice.
    spool.account_for(6, 4);
    EXPECT_EQ(spool.progress().ring, 6u);
    EXPECT_EQ(spool.progress().received, 4u);
    EXPECT_EQ(spool.progress().position, 0u);
}

}  // namespace spool_test
}  // namespace keyscribe
