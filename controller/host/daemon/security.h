// SPDX-License-Identifier: Apache-2.0
// What the daemon gives up: it is root's most privileged neighbour.
#pragma once

#include "controller/base/error.h"

namespace keyscribe::daemon {

/// No core dumps, no ptrace by the unprivileged, no new privileges. Before anything is captured.
Result<void> harden_process();

/// Drops every capability, of all threads to come, for good. Once the programs are attached none
/// is needed: their maps are used through the descriptors that are open.
Result<void> drop_capabilities();

}  // namespace keyscribe::daemon
