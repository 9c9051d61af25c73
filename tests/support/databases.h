// SPDX-License-Identifier: Apache-2.0
// Databases that the verifier's tests use: each call gives one that is empty. PostgreSQL is started
// once for the test's process, from Debian's package, in a temporary folder.
#pragma once

#include <signal.h>

#include <string>

namespace keyscribe::testing {

enum class Engine { kSqlite, kPostgres };
std::string name_of(Engine engine);

/// As `[store] url` has it.
std::string new_database(Engine engine);

/// kill -9 of all of PostgreSQL's processes, or, by SIGQUIT, its immediate end; and its start anew
/// with the same data.
void kill_postgres(int signal = SIGKILL);
void start_postgres();

}  // namespace keyscribe::testing
