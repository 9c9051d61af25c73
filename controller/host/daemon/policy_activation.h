// SPDX-License-Identifier: Apache-2.0
// Puts the policy directory in force. Lives on the main thread; request_reload() alone is called
// from others.
#pragma once

#include <future>
#include <mutex>
#include <vector>

#include "controller/base/error.h"
#include "controller/base/unique_fd.h"
#include "controller/host/daemon/capture_loop.h"
#include "controller/host/settings/config.h"
#include "controller/host/spool/spool.h"
#include "controller/host/status/status.h"

namespace keyscribe::daemon {

class PolicyActivation {
  public:
    PolicyActivation(CaptureLoop& loop, const settings::Config& config, spool::Spool& spool,
                     status::SharedStatus& status);

    /// Puts everything in the policy directory in force, or changes nothing. Every event is judged
    /// by exactly one policy: the one in force when it happened, and those from before the first
    /// policy by the first.
    Result<status::Reloaded> reload();

    /// Once a second: reports a policy directory that was emptied.
    void look_at_directory();

  private:
    Result<status::Reloaded> load_and_activate();

    CaptureLoop& loop_;
    const settings::Config& config_;
    spool::Spool& spool_;
    status::SharedStatus& status_;
    std::uint32_t generation_ = 0;
    unsigned without_files_ = 0;  // how often in a row the policy directory had none
};

}  // namespace keyscribe::daemon
