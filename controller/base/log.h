// SPDX-License-Identifier: Apache-2.0
// Where messages go: the systemd journal for the service, stderr for people.
#pragma once

#include <map>
#include <string>

#include "controller/base/error.h"

namespace keyscribe::base {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// Sets spdlog's default logger up. `level`: "debug", "info", "warning", "error". `program`: what
/// the journal has it under.
void init_log(const std::string& level, const std::string& program);

/// A message with fields of its own in the journal (KEYSCRIBE_STATE=ready, ...), for what is worth
/// searching for. Field names: upper case, digits and underscores (systemd.journal-fields(7)).
void log_event(LogLevel level, const std::string& message,
               const std::map<std::string, std::string>& fields);

}  // namespace keyscribe::base
