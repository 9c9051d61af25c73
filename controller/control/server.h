// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 with JSON over a Unix socket: for the CLI, `curl --unix-socket`, Prometheus, a verifier.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "controller/error.h"

namespace keyscribe::control {

struct Reply {
    int status = 200;
    std::string body;
    std::string content_type = "application/json";
};

Reply json_reply(int status, const nlohmann::json& body);
/// {"error": {"what", "where", "hint"}}
Reply error_reply(int status, const Error& error);

/// Who asks, by SO_PEERCRED and SO_PEERGROUPS (unix(7), socket(7)).
struct Peer {
    uid_t uid = static_cast<uid_t>(-1);
    std::vector<gid_t> groups;  ///< the primary one first
};

/// Reading is for root and the configured group, changing for root alone.
enum class Right { kRead, kChange };

struct Route {
    std::string method;  ///< "GET" or "POST"
    std::string path;
    Right right = Right::kRead;
    std::function<Reply()> handle;  ///< called from a thread of the server's
};

bool allowed(const Peer& peer, Right right, gid_t reading_group);

class Server {
  public:
    /// Listens at `socket` (mode 0660, group as the process's) and serves in threads of its own
    /// until destroyed. A socket file that nobody answers on is replaced.
    /// Error: somebody answers there (a second daemon), or the path cannot be used.
    static Result<std::unique_ptr<Server>> start(const std::filesystem::path& socket,
                                                 const std::string& group,
                                                 std::vector<Route> routes);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

  private:
    Server();
    struct Implementation;
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace keyscribe::control
