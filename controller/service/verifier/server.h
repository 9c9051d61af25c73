// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 over TLS for many clients: connections are coroutines on as many threads as there are
// CPUs, and what a route does (the database, judging) runs on a pool of threads of its own, whose
// queue has an end.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "controller/service/verifier/http.h"
#include "controller/service/verifier/service.h"

namespace keyscribe::verifier {

struct ServerCounters {
    std::array<std::atomic<std::uint64_t>, 6> answers{};  ///< by the status' first digit
    std::atomic<std::uint64_t> accepted = 0, turned_away = 0, handshakes_failed = 0;
    std::atomic<std::uint64_t> bytes_in = 0;
    /// Durations of requests, in seconds: how many took at most so long; the last one has all.
    static constexpr std::array<double, 10> kBounds = {.005, .01, .025, .05, .1,
                                                       .25,  .5,  1,    2.5, 10};
    std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> durations{};
    std::atomic<std::uint64_t> duration_us = 0;
};

class Server {
  public:
    explicit Server(Service& service);
    ~Server();

    /// What is answered; before start().
    void set_routes(std::vector<Route> routes);
    /// Listens and serves on threads of its own. Returns the port. Error: the address is in use,
    /// ...
    Result<unsigned> start();
    /// Ends all connections and threads.
    void stop();

    const ServerCounters& counters() const;
    std::uint64_t connections() const;
    std::uint64_t queue_length() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace keyscribe::verifier
