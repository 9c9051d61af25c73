// SPDX-License-Identifier: Apache-2.0
// A measuring policy for the keyrings of a host.
#pragma once

#include <string>
#include <string_view>

namespace keyscribe::cli {

/// The text of a policy file: a rule for each keyring that decides what the host trusts, whether it
/// is there or not; others of root's as comments; and why, each. `keys`: /proc/keys (proc_keys(5));
/// `kernel`: its release.
std::string suggested_policy(std::string_view keys, std::string_view kernel);

}  // namespace keyscribe::cli
