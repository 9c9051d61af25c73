// SPDX-License-Identifier: Apache-2.0
// What main() is in each program with commands.
#pragma once

namespace keyscribe::cli {

/// Returns the exit status of `run(argc, argv)`, or 2 where what it printed could not be written:
/// nobody takes that for a verdict.
int run_program(int (*run)(int, char**), int argc, char** argv);

}  // namespace keyscribe::cli
