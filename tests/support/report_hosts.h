// SPDX-License-Identifier: Apache-2.0
// Hosts that a report is written about, for the unit tests and for tests/report.
#pragma once

#include <string>
#include <vector>

#include "tests/support/host.h"

namespace keyscribe::testing {

std::vector<std::string> hostile_texts();

nlohmann::json actor(std::string_view comm, std::string_view exe, unsigned uid = 0);

/// A key that comes into a keyring of that serial, with who did it, so long after the boot.
void add(Host& host, const char* ring, int ring_serial, const Buffer& payload, int serial,
         const char* description, std::uint64_t seconds);

/// The texts as descriptions, keyrings, types, names in certificates, programs, and reasons.
void make_hostile(Host& host);

}  // namespace keyscribe::testing
