// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/announced.h"

#include <gtest/gtest.h>

namespace keyscribe::capture {
namespace announced_test {

events::KeyEvent image(std::uint32_t pid, std::uint64_t start_time, const char* exe) {
    events::KeyEvent event;
    event.operation = KS_OP_EXECUTABLE;
    event.actor = {.pid = pid, .start_time = start_time, .exec_id = 1, .exe_ino = 5, .exe = exe};
    return event;
}

std::string exe_of(const Announced& announced, std::uint32_t pid, std::uint64_t start_time,
                   std::uint32_t exec_id = 1) {
    events::Actor actor{.pid = pid, .start_time = start_time, .exec_id = exec_id};
    announced.complete(actor);
    return actor.exe;
}

TEST(Announced, OfAProcessImageAlone) {
    Announced announced;
    EXPECT_TRUE(announced.take(image(7, 1000, "/usr/bin/keyctl")));
    EXPECT_EQ(exe_of(announced, 7, 1000), "/usr/bin/keyctl");
    EXPECT_EQ(exe_of(announced, 8, 1000), "");
    EXPECT_EQ(exe_of(announced, 7, 1000, 2), "");  // it executed another program
    EXPECT_EQ(exe_of(announced, 7, 2000), "");     // the number was given again
    EXPECT_FALSE(announced.take(events::KeyEvent()));
}

TEST(Announced, WhatOthersAnnounceMeanwhileTakesNothingAway) {
    Announced announced;
    announced.take(image(7, 1000, "/usr/bin/keyctl"));
    for (std::uint32_t pid = 1; pid < 100000; ++pid)
        if (pid % KS_PLACES != 7) announced.take(image(pid, 1001, "/tmp/innocent"));
    EXPECT_EQ(exe_of(announced, 7, 1000), "/usr/bin/keyctl");
    // Between an announcement and its record stands what another CPU announced.
    announced.take(image(7 + KS_PLACES, 1001, "/tmp/innocent"));
    EXPECT_EQ(exe_of(announced, 7, 1000), "/usr/bin/keyctl");
    EXPECT_EQ(exe_of(announced, 7 + KS_PLACES, 1001), "/tmp/innocent");
}

TEST(Announced, Cgroups) {
    Announced announced;
    events::KeyEvent event;
    event.operation = KS_OP_CGROUP;
    event.actor = {.cgroup_id = 77, .cgroup = "/system.slice/a.service"};
    EXPECT_TRUE(announced.take(event));
    events::Actor actor{.cgroup_id = 77};
    announced.complete(actor);
    EXPECT_EQ(actor.cgroup, "/system.slice/a.service");
    actor = {.cgroup_id = 78};
    announced.complete(actor);
    EXPECT_EQ(actor.cgroup, "");
}

}  // namespace announced_test
}  // namespace keyscribe::capture
