// SPDX-License-Identifier: Apache-2.0
#include "controller/host/events/loss_tracker.h"

#include <gtest/gtest.h>

#include <random>

namespace keyscribe::capture {
namespace loss_tracker_test {

TEST(LossTracker, NothingIsLostInOrder) {
    events::LossTracker tracker;
    for (std::uint64_t number = 1; number <= 100; ++number) tracker.arrived(number);
    EXPECT_TRUE(tracker.settle(100).empty());
    EXPECT_EQ(tracker.settled(), 100u);
}

TEST(LossTracker, LateArrivalsFillTheirGap) {
    events::LossTracker tracker;
    for (const std::uint64_t number : {2u, 4u, 3u, 1u}) tracker.arrived(number);
    EXPECT_EQ(tracker.settled(), 4u);
    EXPECT_TRUE(tracker.settle(4).empty());
}

TEST(LossTracker, GapsAreReportedOnceAndInOrder) {
    events::LossTracker tracker;
    for (const std::uint64_t number : {1u, 4u, 5u, 8u}) tracker.arrived(number);
    EXPECT_EQ(tracker.settle(10), (std::vector<events::Loss>{{2, 3}, {6, 7}, {9, 10}}));
    EXPECT_TRUE(tracker.settle(10).empty());
    tracker.arrived(11);
    EXPECT_TRUE(tracker.settle(11).empty());
}

TEST(LossTracker, NumbersBehindTheSettledPartStay) {
    events::LossTracker tracker;
    for (const std::uint64_t number : {1u, 3u, 6u}) tracker.arrived(number);
    EXPECT_EQ(tracker.settle(4), (std::vector<events::Loss>{{2, 2}, {4, 4}}));
    EXPECT_EQ(tracker.settle(6), (std::vector<events::Loss>{{5, 5}}));
}

TEST(LossTracker, RandomOrderAndLossAddUp) {
    std::mt19937 random(20261123);
    for (int round = 0; round < 200; ++round) {
        std::vector<std::uint64_t> numbers;
        for (std::uint64_t number = 1; number <= 300; ++number)
            if (random() % 5 != 0) numbers.push_back(number);
        // Neighbours overtake each other, as records of several CPUs do.
        for (std::size_t at = 0; at + 4 < numbers.size(); at += 4)
            std::shuffle(numbers.begin() + at, numbers.begin() + at + 4, random);
        events::LossTracker tracker;
        for (const std::uint64_t number : numbers) tracker.arrived(number);
        std::uint64_t lost = 0;
        for (const events::Loss& loss : tracker.settle(300)) lost += loss.last - loss.first + 1;
        EXPECT_EQ(lost + numbers.size(), 300u);
    }
}

}  // namespace loss_tracker_test
}  // namespace keyscribe::capture
