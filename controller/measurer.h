// SPDX-License-Identifier: Apache-2.0
// The measuring thread: takes what waits in the spool as soon as policy and TPM are ready, judges
// it, and puts it into the measurement list and the PCR.
#pragma once

#include <stop_token>
#include <string>

#include "controller/config.h"
#include "controller/journal.h"
#include "controller/measure/records.h"
#include "controller/spool/spool.h"
#include "controller/status.h"

namespace keyscribe {

struct MeasurerContext {
    const Config& config;
    Spool& spool;
    SharedStatus& status;
    measure::StartRecord start;  ///< who is speaking; the policy digest is filled in later
};

/// Runs until asked to stop and the spool is empty (or cannot be emptied, for want of a policy or
/// a TPM). Every failure is shown in the status and tried again; none ends the thread.
void run_measurer(MeasurerContext context, std::stop_token stop);

}  // namespace keyscribe
