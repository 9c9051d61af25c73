// SPDX-License-Identifier: Apache-2.0
// Who this process is and where it runs.
#pragma once

#include <string>

#include "controller/host/capture/hook_plan.h"
#include "controller/host/records/records.h"
#include "controller/host/status/status.h"

namespace keyscribe::daemon {

/// /proc/sys/kernel/random/boot_id, without the newline.
std::string boot_id();

/// Reads and hashes the whole executable.
records::DaemonIdentity describe_daemon(const capture::KernelFeatures& kernel,
                                        const capture::HookPlan& plan);

status::Status initial_status(const capture::KernelFeatures& kernel, const capture::HookPlan& plan,
                              unsigned pcr);

}  // namespace keyscribe::daemon
