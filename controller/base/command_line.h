// SPDX-License-Identifier: Apache-2.0
// How each program with commands reads its command line.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <optional>

#include "controller/base/printable.h"

namespace keyscribe::base {

/// Reads the command line and runs the command that it names. Returns nothing, or the exit
/// status after --help, or where the command line is wrong (100 and above). What that has of others
/// (file names) reaches no terminal raw.
inline std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv) {
    constexpr std::size_t kLongestMessage = 4096;
    try {
        app.parse(argc, argv);
        return std::nullopt;
    } catch (const CLI::Success& asked_for) {
        return app.exit(asked_for);
    } catch (const CLI::ParseError& error) {
        fmt::print(stderr, "{}\nRun with --help for more information.\n",
                   printable(error.what(), kLongestMessage));
        return error.get_exit_code();
    }
}

}  // namespace keyscribe::base
