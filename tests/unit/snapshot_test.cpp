// SPDX-License-Identifier: Apache-2.0
#include "controller/host/daemon/snapshot.h"

#include <gtest/gtest.h>

#include <functional>

#include "controller/host/settings/policy_loader.h"

namespace keyscribe {
namespace snapshot_test {

using namespace std::chrono_literals;

status::Status settled_status() {
    status::Status status;
    status.policy.loaded = true;
    status.tpm.ready = true;
    status.recorder_settled = true;
    status.counters.captured = 10;
    status.counters.lost = 2;
    status.counters.missed = 1;
    return status;
}

struct Readings {
    events::KernelCounters kernel{.numbered = 12, .missed = 1};
    status::Status early = settled_status();
    bool spool_settled = true;
    status::Status late = settled_status();
    bool is_idle() const { return daemon::is_idle(kernel, early, spool_settled, late); }
};

TEST(Idle, NothingWaitsAndNothingIsUnderWay) { EXPECT_TRUE(Readings{}.is_idle()); }

TEST(Idle, NotWhileAnythingIsUnderWay) {
    const std::vector<std::pair<const char*, std::function<void(Readings&)>>> cases = {
        {"in the ring", [](Readings& now) { ++now.kernel.numbered; }},
        {"skipped runs that are not reported", [](Readings& now) { ++now.kernel.missed; }},
        {"a keyring is still to be asked for",
         [](Readings& now) { now.early.refresh_pending = true; }},
        {"in the spool or with the recorder", [](Readings& now) { now.spool_settled = false; }},
        {"captured since the spool was looked at",
         [](Readings& now) { ++now.late.counters.captured; }},
        {"lost since then", [](Readings& now) { ++now.late.counters.lost; }},
        {"an extend is owed", [](Readings& now) { now.late.recorder_settled = false; }},
        {"no policy", [](Readings& now) { now.late.policy.loaded = false; }},
        {"no TPM", [](Readings& now) { now.late.tpm.ready = false; }},
        {"no list", [](Readings& now) { now.late.list_error = "no room"; }},
    };
    for (const auto& [what, change] : cases) {
        Readings now;
        change(now);
        EXPECT_FALSE(now.is_idle()) << what;
    }
}

// A loss that is counted is not in the list yet: only the spool knows.
TEST(Idle, TheSpoolIsSettledOnlyWhenTheRecorderSaysSo) {
    auto loaded = settings::policy_of({{"10.policy", "measure func=KEY_CHECK\n"}});
    ASSERT_TRUE(loaded);
    spool::Spool spool(1 << 20, 0s);
    EXPECT_TRUE(spool.is_settled());
    spool.push(
        spool::PolicyChange{std::make_shared<const settings::LoadedPolicy>(std::move(*loaded)), 1});
    spool.push(events::Loss{.first = 1, .last = 5});
    spool.push(spool::Missed{3});
    spool.push(spool::Detached{"somebody interfered"});
    spool.push(spool::BaselineRefresh{std::make_shared<const events::Baseline>()});
    for (int i = 0; i < 5; ++i) {
        EXPECT_FALSE(spool.is_settled()) << i;
        ASSERT_TRUE(spool.pop(0s)) << i;
    }
    EXPECT_FALSE(spool.pop(0s));
    EXPECT_FALSE(spool.is_settled());
    spool.settle();
    EXPECT_TRUE(spool.is_settled());
}

TEST(Idle, EventsThatWereGivenUpAreStillToBeRecorded) {
    auto loaded = settings::policy_of({{"10.policy", "measure func=KEY_CHECK\n"}});
    ASSERT_TRUE(loaded);
    spool::Spool spool(1 << 20, 1ns);
    spool.push(
        spool::PolicyChange{std::make_shared<const settings::LoadedPolicy>(std::move(*loaded)), 1});
    ASSERT_TRUE(spool.pop(0s));
    spool.settle();
    spool.push(events::KeyEvent{});
    spool.expire();
    EXPECT_EQ(spool.totals().waiting, 0u);
    EXPECT_FALSE(spool.is_settled());
    ASSERT_TRUE(spool.pop(0s));
    spool.settle();
    EXPECT_TRUE(spool.is_settled());
}

}  // namespace snapshot_test
}  // namespace keyscribe
