// SPDX-License-Identifier: Apache-2.0
// What the control socket offers.
//
//   GET  /v1/status   what the daemon does and waits for, its counters, the PCR (JSON)
//   GET  /v1/metrics  the same for Prometheus (text)
//   POST /v1/canary   {"nonce": hex}: has the list say that capture works, in a record with the
//   nonce; 422 where it
//                     does not
//   POST /v1/reload   puts the policy directory in force; 422 and the reasons where it is refused
#pragma once

#include <functional>
#include <vector>

#include "controller/host/control/server.h"
#include "controller/host/status/status.h"

namespace keyscribe::control {

/// `status`: returns what the daemon is doing now. `reload`: puts the policy directory in force and
/// returns what came of it. `prove_alive`: error: capture does not work, or nothing is measured.
/// All are called from the server's threads, several at a time.
std::vector<Route> routes(std::function<status::Status()> status,
                          std::function<Result<status::Reloaded>()> reload,
                          std::function<Result<void>(std::vector<std::uint8_t>)> prove_alive);

}  // namespace keyscribe::control
