// SPDX-License-Identifier: Apache-2.0
// What `keyscribe evidence` and `keyscribe attest` ask of the host.
#pragma once

#include <string>
#include <vector>

#include "controller/host/attest/collect.h"
#include "controller/host/settings/config.h"

namespace keyscribe::cli {

/// "0-10", "0,2,7", "0-7,10".
Result<std::vector<unsigned>> parse_pcrs(const std::string& text);

/// Evidence over `nonce` by the configuration: all of both lists, with the firmware's log.
attest::Request evidence_request(const settings::Config& config, std::vector<std::uint8_t> nonce,
                                 std::vector<unsigned> pcrs);

/// Asks the daemon for a record with the nonce, which says that capture works.
Result<void> ask_for_canary(const settings::Config& config, Bytes nonce);

/// Warns of what a service will not like of it. Error: the canary's record is missing.
Result<void> look_at(const attest::Collected& collected, const attest::Request& request);

}  // namespace keyscribe::cli
