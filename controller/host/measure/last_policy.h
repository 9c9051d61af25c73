// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>

#include "controller/host/settings/policy_loader.h"

namespace keyscribe::measure {

/// Returns the policy of the newest keyscribe:policy record of the list in `directory`: the one
/// that was in force when the former process ended. Returns nullptr where the list has none that
/// can be read.
std::shared_ptr<const settings::LoadedPolicy> last_policy(const std::filesystem::path& directory);

}  // namespace keyscribe::measure
