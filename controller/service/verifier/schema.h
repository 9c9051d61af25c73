// SPDX-License-Identifier: Apache-2.0
// The tables, by numbered migrations.
#pragma once

#include "controller/service/verifier/database.h"

namespace keyscribe::verifier {

/// Brings the database to this program's schema, or leaves it as it is where it is there already.
/// Error: it is of a newer program (then `where` is "schema"), or away (is_of_store()).
Result<void> migrate(Database& database);

/// The schema's number.
int schema_version();

}  // namespace keyscribe::verifier
