// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/unmeasured_keyrings.h"

#include <gtest/gtest.h>

#include "policy/parser.h"

namespace keyscribe::cli {
namespace unmeasured_keyrings_test {

constexpr const char* kKeys =
    "040d1060 I------     2 perm 1f0b0000     0     0 keyring   .machine: 2\n"
    "3973d75d I------     1 perm 082f0000     0     0 keyring   .dm-verity: empty\n"
    "3973d75e I------     1 perm 082f0000     0     0 keyring   .dm-verity: 1\n"
    "1bb4bde4 I--Q---     1 perm 3f030000     0     0 keyring   _ses: 2\n"
    "1bb4bde5 I--Q---     1 perm 3f030000     0     0 user      .ima: 2\n"
    "1bb4bde6\n";

policy::Policy policy_of(const std::string& text) {
    const policy::Source source{"p", text};
    return policy::parse({&source, 1}).value();
}

TEST(UnmeasuredKeyrings, ThoseOfTheKernelThatNoRuleNames) {
    using Names = std::vector<std::string>;
    EXPECT_EQ(kernels_keyrings(kKeys), (Names{".machine", ".dm-verity"}));
    EXPECT_EQ(unmeasured_keyrings(kernels_keyrings(kKeys),
                                  policy_of("measure func=KEY_CHECK keyrings=.machine\n")),
              (Names{".dm-verity"}));
    EXPECT_EQ(unmeasured_keyrings(kernels_keyrings(kKeys),
                                  policy_of("dont_measure func=KEY_CHECK keyrings=.dm-verity\n"
                                            "measure func=KEY_CHECK keyrings=.machine\n")),
              (Names{".dm-verity"}));
    EXPECT_EQ(unmeasured_keyrings(kernels_keyrings(kKeys), policy_of("measure func=KEY_CHECK\n")),
              Names());
}

}  // namespace unmeasured_keyrings_test
}  // namespace keyscribe::cli
