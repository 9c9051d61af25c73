// SPDX-License-Identifier: Apache-2.0
// Asks a verifier over HTTPS (RFC 9110, 9112; TLS 1.2 and 1.3). It follows no redirect and knows of
// no proxy: evidence goes to the verifier that the host was enrolled with, and nowhere else.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "controller/base/error.h"
#include "controller/host/fleet/verifier.h"

namespace keyscribe::fleet {

struct Request {
    std::string method = "GET";
    std::string target;  ///< behind the verifier's path: "/v1/enrolments"
    std::string content_type;
    std::string body;
};

struct Answer {
    int status = 0;
    std::string content_type;  ///< without parameters
    std::string location;
    std::string retry_after;
    std::string accept;
    std::string body;
};

/// Of an answer. A result with a thousand findings has 300 KiB.
inline constexpr std::size_t kMaxAnswer = 4u << 20;
inline constexpr std::size_t kMaxAnswerHead = 16u << 10;

/// How long a step may take: a name, a connection, TLS, a request, an answer. What is sent gets a
/// second more for each 64 KiB.
inline constexpr std::chrono::milliseconds kPatience{15'000};

class Connection {
  public:
    /// Error: nobody answers there, or not who is meant.
    static Result<Connection> open(const Verifier& verifier,
                                   std::chrono::milliseconds patience = kPatience);
    Connection(Connection&&) noexcept;
    Connection& operator=(Connection&&) noexcept;
    ~Connection();

    /// One request after another; where the verifier has closed meanwhile, over a new connection.
    /// Any status is an answer. Error: none came, or a longer one than kMaxAnswer.
    Result<Answer> exchange(const Request& request);

  private:
    struct State;
    explicit Connection(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace keyscribe::fleet
