// SPDX-License-Identifier: Apache-2.0
// Asks the kernel what watched keyrings hold.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controller/base/error.h"
#include "controller/host/capture/capture.h"
#include "controller/host/daemon/known_keyrings.h"
#include "controller/host/events/baseline.h"
#include "policy/rule.h"

namespace keyscribe::daemon {

/// Returns whether a rule measures what happens in a keyring of this name.
bool is_watched(const policy::Policy& policy, const std::string& keyring);

/// Returns what every keyring holds that a rule names, and every keyring in those, and so on. A
/// keyring of another user namespace is among them where `known` has it. Baseline::gone: those of
/// `known` that exist no more. Events that the ring has meanwhile go to `meanwhile`.
Result<events::Baseline> take_baseline(capture::Capture& programs, const policy::Policy& policy,
                                       std::string_view reason, const KnownKeyrings::Names& known,
                                       capture::Batch& meanwhile);

/// Returns the same of these keyrings alone, as far as they still exist.
Result<events::Baseline> take_baseline_of(capture::Capture& programs,
                                          const std::vector<events::KeyringName>& keyrings,
                                          std::string_view reason, capture::Batch& meanwhile);

/// Returns the same of these and of every keyring in them, and so on.
Result<events::Baseline> take_baseline_below(capture::Capture& programs,
                                             const std::vector<events::KeyringName>& keyrings,
                                             std::string_view reason, capture::Batch& meanwhile);

}  // namespace keyscribe::daemon
