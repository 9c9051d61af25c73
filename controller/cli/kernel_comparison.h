// SPDX-License-Identifier: Apache-2.0
// keyscribe keyrings --verify: what the list says, compared with the kernel's own view.
#pragma once

#include <vector>

#include "controller/cli/keyring_view.h"

namespace keyscribe::cli {

/// Prints each difference and what could not be compared. Returns whether something was compared,
/// and nothing differs.
bool agrees_with_kernel(const KeyringView& view, const std::vector<keyrings::KeyId>& keyrings);

}  // namespace keyscribe::cli
