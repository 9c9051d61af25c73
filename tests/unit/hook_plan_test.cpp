// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/hook_plan.h"

#include <gtest/gtest.h>

#include <set>

namespace keyscribe::capture {
namespace hook_plan_test {

// What Debian's kernels offer.
const KernelFeatures k61{.release = "6.1", .btf = true, .bpf_lsm = true, .ima_function = true};
const KernelFeatures k612{.release = "6.12",
                          .btf = true,
                          .bpf_lsm = true,
                          .lsm_hook = true,
                          .security_function = true,
                          .ima_function = true};

TEST(HookPlan, TakesTheBestThatTheKernelHas) {
    EXPECT_EQ(plan_hooks(k612)->at(0).attach_point, "lsm:key_post_create_or_update");
    EXPECT_EQ(plan_hooks(k61)->at(0).attach_point, "fentry:ima_post_key_create_or_update");
}

TEST(HookPlan, LsmOnlyWhereBpfIsAnActiveLsm) {
    KernelFeatures kernel = k612;
    kernel.bpf_lsm = false;
    EXPECT_EQ(plan_hooks(kernel)->at(0).attach_point, "fentry:security_key_post_create_or_update");
    const auto forced = plan_hooks(kernel, "lsm");
    ASSERT_FALSE(forced);
    EXPECT_NE(forced.error().what.find("/sys/kernel/security/lsm"), std::string::npos);
}

TEST(HookPlan, OneProgramPerOperation) {
    for (const auto& kernel : {k61, k612}) {
        const auto plan = plan_hooks(kernel);
        std::set<std::string> programs;
        std::set<std::string> operations;
        for (const Hook& hook : *plan) {
            EXPECT_TRUE(programs.insert(hook.program).second) << hook.program;
            EXPECT_TRUE(operations.insert(hook.operations).second) << hook.operations;
        }
        EXPECT_EQ(plan->size(), 21u);
    }
}

TEST(HookPlan, AnOperationThatCannotBeSeenIsAnError) {
    KernelFeatures kernel = k612;
    kernel.absent = {"key_move"};
    const auto plan = plan_hooks(kernel);
    ASSERT_FALSE(plan);
    EXPECT_NE(plan.error().what.find("key_move"), std::string::npos);
}

TEST(HookPlan, TheConfigurationCanChoose) {
    EXPECT_EQ(plan_hooks(k612, "ima")->at(0).program, "create_or_update_ima");
    EXPECT_EQ(plan_hooks(k612, "fentry")->at(0).program, "create_or_update_security");
}

TEST(HookPlan, SaysWhatIsMissing) {
    const auto nothing = plan_hooks({.release = "5.10", .btf = true});
    ASSERT_FALSE(nothing);
    EXPECT_NE(nothing.error().what.find("security_key_post_create_or_update"), std::string::npos);
    EXPECT_NE(nothing.error().what.find("CONFIG_IMA_MEASURE_ASYMMETRIC_KEYS"), std::string::npos);
    const auto no_btf = plan_hooks({.release = "6.1"});
    ASSERT_FALSE(no_btf);
    EXPECT_NE(no_btf.error().hint.find("CONFIG_DEBUG_INFO_BTF"), std::string::npos);
}

}  // namespace hook_plan_test
}  // namespace keyscribe::capture
