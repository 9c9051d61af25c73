// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/duplicates.h"

#include <gtest/gtest.h>

namespace keyscribe::capture {
namespace duplicates_test {

/// What a thread did to a key at a time, as one build's programs recorded it.
events::KeyEvent seen(std::uint32_t thread, std::uint64_t time, std::int32_t key) {
    events::KeyEvent event;
    event.operation = KS_OP_UPDATE;
    event.actor.tid = thread;
    event.boot_time_ns = time;
    event.key_serial = key;
    return event;
}

std::vector<std::uint64_t> times(const std::vector<events::KeyEvent>& events) {
    std::vector<std::uint64_t> found;
    for (const events::KeyEvent& event : events) found.push_back(event.boot_time_ns);
    return found;
}

TEST(Duplicates, WhatBothSawIsKeptOnce) {
    // The program that was attached last runs first.
    const std::vector<events::KeyEvent> older = {seen(1, 10, 7), seen(1, 21, 7), seen(1, 31, 7)};
    std::vector<events::KeyEvent> newer = {seen(1, 20, 7), seen(1, 30, 7), seen(1, 40, 7)};
    EXPECT_EQ(drop_duplicates(older, newer), 2u);
    EXPECT_EQ(times(newer), (std::vector<std::uint64_t>{40}));
}

TEST(Duplicates, ThreadsAndKeysAreToldApart) {
    const std::vector<events::KeyEvent> older = {seen(1, 11, 7), seen(2, 12, 7)};
    std::vector<events::KeyEvent> newer = {seen(1, 10, 8), seen(3, 10, 7)};
    EXPECT_EQ(drop_duplicates(older, newer), 0u);
    EXPECT_EQ(newer.size(), 2u);
}

TEST(Duplicates, TheSameOperationAgainIsAnotherOne) {
    // The newer one was attached between the two.
    const std::vector<events::KeyEvent> older = {seen(1, 10, 7), seen(1, 21, 7)};
    std::vector<events::KeyEvent> newer = {seen(1, 20, 7)};
    EXPECT_EQ(drop_duplicates(older, newer), 1u);
    EXPECT_TRUE(newer.empty());
}

}  // namespace duplicates_test
}  // namespace keyscribe::capture
