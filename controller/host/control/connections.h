// SPDX-License-Identifier: Apache-2.0
// Which connection of the control socket is served next.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "controller/base/unique_fd.h"
#include "controller/host/control/peer.h"

namespace keyscribe::control {

struct Connection {
    UniqueFd fd;
    Peer peer;
};

/// Serves a connection to its end.
using Serve = std::function<void(const Connection&)>;

/// Threads, and the connections that wait for one of them. No user occupies more than some of the
/// threads, so that others are served meanwhile.
class Lane {
  public:
    struct Limits {
        unsigned threads;  ///< connections that are served at a time
        unsigned served;   ///< of one user at a time
        unsigned waiting;  ///< of one user
    };
    /// `serve` outlives the lane.
    Lane(const Limits& limits, const Serve& serve);
    /// Waits for what is being served; what waits is closed.
    ~Lane();

    /// Returns false where too many of that user wait already; the connection is the caller's then.
    bool offer(Connection& connection);

  private:
    void work(const std::stop_token& stop);

    const Limits limits_;
    const Serve& serve_;
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::deque<Connection> waiting_;
    std::map<uid_t, unsigned> served_;
    std::vector<std::jthread> threads_;
};

/// Accepts connections. Root's have a lane of their own: what anybody else does to the socket, root
/// is answered. A connection beyond a user's share is given to `refuse`, and closed.
class Connections {
  public:
    /// `listener` does not block. `stop`: a descriptor that is readable when it is to end.
    Connections(UniqueFd listener, int stop, Serve serve, Serve refuse);

  private:
    void accept_all();

    UniqueFd listener_;
    int stop_;
    Serve serve_, refuse_;
    Lane root_, others_;
    std::jthread acceptor_;  // the last, so that the lanes outlive it
};

}  // namespace keyscribe::control
