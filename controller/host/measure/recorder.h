// SPDX-License-Identifier: Apache-2.0
// The measuring thread: takes what waits in the spool as soon as policy and TPM are ready, judges
// it, and puts it into the measurement list and the PCR.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>

#include "controller/host/records/records.h"
#include "controller/host/settings/config.h"
#include "controller/host/spool/spool.h"
#include "controller/host/status/status.h"

namespace keyscribe::measure {

struct RecorderContext {
    const settings::Config& config;
    spool::Spool& spool;
    status::SharedStatus& status;
    records::DaemonIdentity identity;
    std::optional<std::uint64_t> list_size = {};  ///< that the list must have, where it is known
};

/// Runs until asked to stop. What the spool holds then is still measured if policy and TPM are
/// ready. Every failure is shown in the status and tried again; none ends the thread.
void run_recorder(const RecorderContext& context, std::stop_token stop);

}  // namespace keyscribe::measure
