// SPDX-License-Identifier: Apache-2.0
#include "controller/host/control/peer.h"

#include <sys/socket.h>

#include <cerrno>

namespace keyscribe::control {

Peer peer_of(int connection) {
    Peer peer;
    ucred credentials{};
    socklen_t size = sizeof(credentials);
    if (::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return peer;
    peer.uid = credentials.uid;
    peer.groups.push_back(credentials.gid);
    std::vector<gid_t> groups(64);
    size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    int failed = ::getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
    if (failed != 0 && errno == ERANGE) {
        groups.resize(size / sizeof(gid_t));
        failed = ::getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
    }
    if (failed != 0) return peer;
    groups.resize(size / sizeof(gid_t));
    peer.groups.insert(peer.groups.end(), groups.begin(), groups.end());
    return peer;
}

}  // namespace keyscribe::control
