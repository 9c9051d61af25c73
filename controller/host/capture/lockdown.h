// SPDX-License-Identifier: Apache-2.0
// The kernel's lockdown (kernel_lockdown.7): at "confidentiality" no BPF program may read the
// kernel's memory, and the verifier refuses those here with text that does not say so.
#pragma once

#include <filesystem>
#include <string>

#include "controller/base/error.h"

namespace keyscribe::capture {

/// Returns the level ("none", "integrity"); empty where the kernel has no lockdown.
/// Error: confidentiality, and what to do about it.
Result<std::string> check_lockdown(
    const std::filesystem::path& file = "/sys/kernel/security/lockdown");

}  // namespace keyscribe::capture
