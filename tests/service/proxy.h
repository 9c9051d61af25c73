// SPDX-License-Identifier: Apache-2.0
// A network that a test cuts: connections come here and go on to where they are meant to.
#pragma once

#include <memory>
#include <string>
#include <utility>  // that asio of Boost 1.74 uses without including it

namespace keyscribe::testing {

class Proxy {
  public:
    /// From a free port of the loopback to another one.
    static std::unique_ptr<Proxy> of_port(unsigned to);
    /// From one Unix socket to another.
    static std::unique_ptr<Proxy> of_socket(const std::string& at, const std::string& to);
    ~Proxy();

    unsigned port() const;
    /// Ends all connections at once, with what is under way in them.
    void cut();

  private:
    struct State;
    explicit Proxy(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace keyscribe::testing
