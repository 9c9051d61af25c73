// SPDX-License-Identifier: Apache-2.0
// The units that visit the verifier.
#pragma once

#include "controller/base/error.h"

namespace keyscribe::cli {

/// Enables and starts keyscribe-attest.timer and .path. Returns whether systemd runs here at all.
Result<bool> enable_attest_units();

/// Has keyscribe-attest.service run now, without waiting for it; where there is no systemd, nothing
/// happens.
void start_visit();

}  // namespace keyscribe::cli
