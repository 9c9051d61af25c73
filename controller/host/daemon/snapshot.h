// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "controller/host/daemon/capture_loop.h"
#include "controller/host/spool/spool.h"
#include "controller/host/status/status.h"

namespace keyscribe::daemon {

/// Returns what the daemon is doing now. Status::idle is true where the list and the PCR have every
/// operation that had ended when the caller asked, and the counters say so.
///
/// An event goes from the programs' numbers to the ring, the spool, the recorder, and the list and
/// the PCR, and each of these is left only when the next one has it. So they are looked at in that
/// order: what is not found in one of them has gone on to the next, which is looked at later. From
/// any thread.
status::Status take_snapshot(const CaptureLoop& loop, const spool::Spool& spool,
                             const status::SharedStatus& shared);

/// The same, of numbers that were read one after the other: `kernel` first, then `early`, then
/// whether the spool was `settled`, then `late`. Pure.
bool is_idle(const events::KernelCounters& kernel, const status::Status& early, bool settled,
             const status::Status& late);

}  // namespace keyscribe::daemon
