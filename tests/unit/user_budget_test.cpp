// SPDX-License-Identifier: Apache-2.0
#include "controller/host/spool/user_budget.h"

#include <gtest/gtest.h>

namespace keyscribe::spool {
namespace user_budget_test {

using namespace std::chrono_literals;

constexpr UserBudget::Clock::time_point kStart{1h};

TEST(UserBudget, AnHourFillsIt) {
    UserBudget budget(3600);
    EXPECT_TRUE(budget.admit(1000, 3600, 1, kStart));
    EXPECT_FALSE(budget.admit(1000, 2, 2, kStart + 1s));
    EXPECT_TRUE(budget.admit(1000, 2, 3, kStart + 2s));
    EXPECT_TRUE(budget.admit(1000, 3600, 4, kStart + 10h)) << "no more than full";
    EXPECT_FALSE(budget.admit(1000, 1, 5, kStart + 10h));
}

TEST(UserBudget, IsEachUsersOwnAndNotRoots) {
    UserBudget budget(100);
    EXPECT_TRUE(budget.admit(1000, 100, 1, kStart));
    EXPECT_FALSE(budget.admit(1000, 1, 2, kStart));
    EXPECT_TRUE(budget.admit(1001, 100, 3, kStart));
    EXPECT_TRUE(budget.admit(0, 1 << 20, 4, kStart));
    UserBudget none(0);
    EXPECT_TRUE(none.admit(1000, 1 << 20, 5, kStart));
}

TEST(UserBudget, AFloodIsToldAtOnceAndThenEverMoreRarely) {
    UserBudget budget(10);
    EXPECT_TRUE(budget.due(kStart).empty());
    std::uint64_t sequence = 0, told = 0;
    int records = 0;
    for (int second = 0; second < 300; ++second) {
        for (int i = 0; i < 100; ++i) budget.admit(1000, 20, ++sequence, kStart + second * 1s);
        for (const auto& over : budget.due(kStart + second * 1s)) {
            EXPECT_EQ(over.uid, 1000u);
            EXPECT_EQ(over.count, over.last - over.first + 1);
            EXPECT_EQ(over.first, told + 1);
            told = over.last;
            ++records;
            if (records == 1) EXPECT_EQ(second, 0);
        }
    }
    EXPECT_LE(records, 11);
    ASSERT_EQ(budget.held().size(), 1u);
    EXPECT_EQ(told + budget.held()[0].count, sequence) << "each is counted once";
    EXPECT_EQ(budget.due(kStart + 400s).size(), 1u);
    EXPECT_TRUE(budget.held().empty());
}

}  // namespace user_budget_test
}  // namespace keyscribe::spool
