// SPDX-License-Identifier: Apache-2.0
// What main() is in each program with commands.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>

namespace keyscribe::cli {

/// Returns the exit status of `run(argc, argv)`, or 2 where what it printed could not be written:
/// nobody takes that for a verdict.
int run_program(int (*run)(int, char**), int argc, char** argv);

/// Reads the command line and runs the command that it names. Returns nothing, or the exit
/// status after --help, or where the command line is wrong (100 and above). What that has of others
/// (file names) reaches no terminal raw.
std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv);

}  // namespace keyscribe::cli
