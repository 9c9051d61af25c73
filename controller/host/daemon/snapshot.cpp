// SPDX-License-Identifier: Apache-2.0
#include "controller/host/daemon/snapshot.h"

namespace keyscribe::daemon {

bool is_idle(const events::KernelCounters& kernel, const status::Status& early, bool settled,
             const status::Status& late) {
    const bool captured = early.counters.captured + early.counters.lost >= kernel.numbered &&
                          early.counters.missed >= kernel.missed;
    // What was captured after the spool was looked at may be in any state.
    const bool nothing_new = early.counters.captured == late.counters.captured &&
                             early.counters.lost == late.counters.lost;
    return captured && !early.refresh_pending && settled && nothing_new && late.recorder_settled &&
           status::waiting_for(late).empty();
}

status::Status take_snapshot(const CaptureLoop& loop, const spool::Spool& spool,
                             const status::SharedStatus& shared) {
    const events::KernelCounters kernel = loop.counters();
    const status::Status early = shared.copy();
    const bool settled = spool.is_settled();
    status::Status now = shared.copy();
    now.kernel_counters = kernel;
    now.spool = spool.totals();
    now.idle = is_idle(kernel, early, settled, now) && spool.is_settled();
    return now;
}

}  // namespace keyscribe::daemon
