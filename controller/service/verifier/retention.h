// SPDX-License-Identifier: Apache-2.0
// What is thrown away: changes and keys that are gone, after [attest] keep_changes; lists of hosts
// that are silent, after keep_lists.
#pragma once

#include "controller/service/verifier/service.h"

namespace keyscribe::verifier {

/// Throws away the lists of hosts that were silent for so long; their rows stay. Returns of how
/// many.
Result<int> drop_old_lists(Service& service);

}  // namespace keyscribe::verifier
