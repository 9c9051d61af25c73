// SPDX-License-Identifier: Apache-2.0
// The commands of keyscribe-verifier. Each works on the database of the settings, beside a service
// that runs or not.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>

#include "controller/service/verifier/serve.h"

namespace keyscribe::verifier {

struct CommandContext {
    std::filesystem::path settings_file = kSettingsFile;
    bool json = false;
    int exit_status = 0;
};

void add_host_commands(CLI::App& app, CommandContext& context);       ///< hosts, changes
void add_key_commands(CLI::App& app, CommandContext& context);        ///< keys
void add_enrolment_commands(CLI::App& app, CommandContext& context);  ///< enrolments, tokens
void add_reference_commands(CLI::App& app, CommandContext& context);  ///< references

void add_status_command(CLI::App& app, CommandContext& context);  ///< status

/// Runs the program: the command, or the service where there is none, which answers `more` too.
int run_verifier(int argc, char** argv, const MoreRoutes& more);

/// Prints "keyscribe-verifier: error" and returns 1.
int report_error(const Error& error);
/// Runs `command` with the service's parts and takes its status.
std::function<void()> with_service(CommandContext& context,
                                   const std::function<Result<int>(Service&)>& command);
/// One JSON object a line of an array, or the lines that `line` makes of them.
void print_all(const CommandContext& context, const nlohmann::json& array,
               const std::function<std::string(const nlohmann::json&)>& line);
/// "2026-12-01" or "2026-12-01T08:00:00Z", in seconds since 1970. Error: no such time.
Result<std::int64_t> parse_time(const std::string& text);
/// Who runs this: for the record.
std::string user_name();

}  // namespace keyscribe::verifier
