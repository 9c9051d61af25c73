// SPDX-License-Identifier: Apache-2.0
// Keyrings that the running kernel made and that no rule of the policy names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policy/rule.h"

namespace keyscribe::cli {

/// `keys`: /proc/keys (proc_keys(5)). Only the kernel can make keyrings whose names begin with a
/// dot: those, each once.
std::vector<std::string> kernels_keyrings(std::string_view keys);

/// Those of `keyrings` that no measure rule is about.
std::vector<std::string> unmeasured_keyrings(const std::vector<std::string>& keyrings,
                                             const policy::Policy& policy);

}  // namespace keyscribe::cli
