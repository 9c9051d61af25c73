// SPDX-License-Identifier: Apache-2.0
// Asks the daemon, over its control socket.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "controller/base/error.h"
#include "controller/host/control/server.h"

namespace keyscribe::cli {

/// `path` with its query, as in "/v1/status?verbose=1"; `body` is JSON, empty: none. `timeout`: for
/// each step of it (to be let in, to send, to get an answer).
/// Error: the daemon does not run, does not answer, or may not be asked. A reply that says that
/// something went wrong is a reply.
Result<control::Reply> request(const std::filesystem::path& socket, const std::string& method,
                               const std::string& path,
                               std::chrono::seconds timeout = std::chrono::seconds(60),
                               const std::string& body = {});

/// As request(), of a route that answers with JSON. Error: also what the daemon refused, as it says
/// it.
Result<nlohmann::json> ask(const std::filesystem::path& socket, const std::string& method,
                           const std::string& path,
                           std::chrono::seconds timeout = std::chrono::seconds(60),
                           const std::string& body = {});

}  // namespace keyscribe::cli
