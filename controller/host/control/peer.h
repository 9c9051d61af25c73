// SPDX-License-Identifier: Apache-2.0
// Who stands at the other end of a Unix socket, by SO_PEERCRED and SO_PEERGROUPS (unix(7),
// socket(7)).
#pragma once

#include <sys/types.h>

#include <vector>

namespace keyscribe::control {

struct Peer {
    uid_t uid = static_cast<uid_t>(-1);
    std::vector<gid_t> groups;  ///< the primary one first
};

/// Returns whoever connected, as they were then. What cannot be found out is nobody.
Peer peer_of(int connection);

}  // namespace keyscribe::control
