// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/suggested_policy.h"

#include <gtest/gtest.h>

#include "controller/cli/unmeasured_keyrings.h"
#include "policy/parser.h"

namespace keyscribe::cli {
namespace suggested_policy_test {

constexpr const char* kKeys =
    "01 I------     2 perm 1f0b0000     0     0 keyring   .builtin_trusted_keys: 1\n"
    "02 I------     1 perm 082f0000     0     0 keyring   .dm-verity: empty\n"
    "03 I------     1 perm 082f0000     0     0 keyring   .dns_resolver: empty\n"
    "04 I------     1 perm 082f0000     0     0 keyring   .new_in_linux_9: 3\n"
    "05 I--Q---     1 perm 3f030000     0     0 keyring   _ses: 2\n"
    "06 I--Q---     1 perm 3f030000     0     0 keyring   vpn: 2\n"
    "07 I--Q---     1 perm 3f030000  1000     0 keyring   users: 2\n"
    "08 I--Q---     1 perm 3f030000     0     0 keyring   bad\n"
    "measure func=KEY_CHECK keyrings=x: 1\n"
    "09 I--Q---     1 perm 3f030000     0     0 keyring   a|b: 1\n"
    "0a I--Q---     1 perm 3f030000     0     0 keyring   _ima: 1\n";

policy::Policy parsed(const std::string& text) {
    const policy::Source source{"p", text};
    return policy::parse({&source, 1}).value();
}

TEST(SuggestedPolicy, IsAPolicyThatMeasuresEachKeyringThatDecides) {
    const std::string text = suggested_policy(kKeys, "6.12");
    const policy::Policy policy = parsed(text);
    EXPECT_EQ(unmeasured_keyrings(kernels_keyrings(kKeys), policy),
              std::vector<std::string>{".dns_resolver"});
    for (const char* ring : {".ima", ".platform", ".blacklist", "_ima"})
        EXPECT_NE(text.find(std::string("\nmeasure func=KEY_CHECK keyrings=") + ring + ' '),
                  std::string::npos)
            << ring;
    EXPECT_NE(text.find("# .builtin_trusted_keys: built into"), std::string::npos);
    EXPECT_NE(text.find("# It is there, with 1 keys."), std::string::npos);
    EXPECT_NE(text.find("\n# measure func=KEY_CHECK keyrings=vpn op=all"), std::string::npos);
    for (const char* none : {"users", "_ses", "a|b", "=x", "=_evm"})
        EXPECT_EQ(text.find(none), std::string::npos) << none;
}

TEST(SuggestedPolicy, AHostWithoutKeyringsGetsTheKernelsAllTheSame) {
    EXPECT_EQ(parsed(suggested_policy("", "6.12")).rules.size(), 12u);
}

}  // namespace suggested_policy_test
}  // namespace keyscribe::cli
