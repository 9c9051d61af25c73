// SPDX-License-Identifier: Apache-2.0
// Asks the daemon, over its control socket.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "controller/control/server.h"
#include "controller/error.h"

namespace keyscribe::control {

/// Error: the daemon does not run, does not answer, or may not be asked. A reply that says that
/// something went wrong is a reply.
Result<Reply> request(const std::filesystem::path& socket, const std::string& method,
                      const std::string& path,
                      std::chrono::seconds timeout = std::chrono::seconds(60));

}  // namespace keyscribe::control
