// SPDX-License-Identifier: Apache-2.0
// What the control socket offers.
//
//   GET  /v1/status   what the daemon does and waits for, its counters, the PCR (JSON)
//   GET  /v1/metrics  the same for Prometheus (text)
//   POST /v1/reload   puts the policy directory in force; 422 and the reasons where it is refused
#pragma once

#include <vector>

#include "controller/host/control/server.h"
#include "controller/host/daemon/pump.h"
#include "controller/host/status/status.h"

namespace keyscribe::control {

/// Both must outlive the server.
std::vector<Route> routes(const status::SharedStatus& status, daemon::Pump& pump);

}  // namespace keyscribe::control
