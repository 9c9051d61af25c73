// SPDX-License-Identifier: Apache-2.0
#include "controller/host/control/connections.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace keyscribe::control {
namespace {

constexpr Lane::Limits kRoot{.threads = 2, .served = 2, .waiting = 64};
/// Two users who are silent on purpose leave no thread for a second; one leaves two.
constexpr Lane::Limits kOthers{.threads = 4, .served = 2, .waiting = 16};

}  // namespace

Lane::Lane(const Limits& limits, const Serve& serve) : limits_(limits), serve_(serve) {
    for (unsigned i = 0; i < limits.threads; ++i)
        threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
}

Lane::~Lane() {
    for (std::jthread& thread : threads_) thread.request_stop();
}

bool Lane::offer(Connection& connection) {
    const std::lock_guard lock(mutex_);
    const auto same = [&](const Connection& other) {
        return other.peer.uid == connection.peer.uid;
    };
    if (std::ranges::count_if(waiting_, same) >= limits_.waiting) return false;
    waiting_.push_back(std::move(connection));
    changed_.notify_one();
    return true;
}

void Lane::work(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    const auto next = [this] {
        return std::ranges::find_if(waiting_, [this](const Connection& connection) {
            const auto served = served_.find(connection.peer.uid);
            return served == served_.end() || served->second < limits_.served;
        });
    };
    while (changed_.wait(lock, stop, [&] { return next() != waiting_.end(); })) {
        const auto found = next();
        const Connection connection = std::move(*found);
        waiting_.erase(found);
        ++served_[connection.peer.uid];
        lock.unlock();
        serve_(connection);
        lock.lock();
        if (--served_[connection.peer.uid] == 0) served_.erase(connection.peer.uid);
        changed_.notify_all();  // one that waits because of this user's share
        if (stop.stop_requested()) return;
    }
}

Connections::Connections(UniqueFd listener, int stop, Serve serve, Serve refuse)
    : listener_(std::move(listener)),
      stop_(stop),
      serve_(std::move(serve)),
      refuse_(std::move(refuse)),
      root_(kRoot, serve_),
      others_(kOthers, serve_),
      acceptor_([this] { accept_all(); }) {}

void Connections::accept_all() {
    std::array<pollfd, 2> polls = {pollfd{listener_.get(), POLLIN, 0}, pollfd{stop_, POLLIN, 0}};
    for (;;) {
        if (::poll(polls.data(), polls.size(), -1) < 0) {
            if (errno == EINTR) continue;
            return;
        }
        if (polls[1].revents != 0) return;
        Connection connection;
        connection.fd = UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!connection.fd) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
                ::poll(&polls[1], 1, 100);  // the connection stays ready: do not spin on it
            continue;
        }
        connection.peer = peer_of(connection.fd.get());
        Lane& lane = connection.peer.uid == 0 ? root_ : others_;
        if (!lane.offer(connection)) refuse_(connection);
    }
}

}  // namespace keyscribe::control
