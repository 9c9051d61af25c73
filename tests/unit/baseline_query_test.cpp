// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/baseline_query.h"

#include <gtest/gtest.h>
#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace keyscribe {
namespace baseline_query_test {

class AsksTheKernel : public ::testing::Test {
  protected:
    void SetUp() override {
        char label[256];
        if (::syscall(SYS_keyctl, KEYCTL_GET_SECURITY, KEY_SPEC_USER_KEYRING, label,
                      sizeof(label)) < 0)
            GTEST_SKIP() << "no keyctl(2) here";
    }
    ks_baseline request{};
};

// Nothing that comes is no answer: the keyring would be taken for one that is gone.
TEST_F(AsksTheKernel, AgainWhereTheProgramWasSkipped) {
    int looked = 0;
    const auto done = capture::query_baseline(
        request, KS_BASELINE_MEMBERS, KEY_SPEC_USER_KEYRING,
        [&] {
            if (++looked == 3) request.ran = request.found = 1;
        },
        [] {});
    ASSERT_TRUE(done) << to_string(done.error());
    EXPECT_EQ(looked, 3);
}

TEST_F(AsksTheKernel, ButNotForEver) {
    const auto done =
        capture::query_baseline(request, KS_BASELINE_MEMBERS, KEY_SPEC_USER_KEYRING, [] {}, [] {});
    ASSERT_FALSE(done);
    EXPECT_NE(done.error().what.find("skips the program"), std::string::npos);
}

TEST_F(AsksTheKernel, OnFromWhereTheRingWasFull) {
    std::vector<ks_u32> starts;
    int released = 0;
    const auto done = capture::query_baseline(
        request, KS_BASELINE_MEMBERS, KEY_SPEC_USER_KEYRING,
        [&] {
            starts.push_back(request.start);
            request.ran = request.found = 1;
            request.sent = static_cast<ks_u32>(10 * starts.size());
            request.more = starts.size() < 3;
        },
        [&] { ++released; });
    ASSERT_TRUE(done) << to_string(done.error());
    EXPECT_EQ(starts, (std::vector<ks_u32>{0, 10, 20}));
    EXPECT_EQ(released, 2);
}

}  // namespace baseline_query_test
}  // namespace keyscribe
