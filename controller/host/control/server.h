// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 with JSON over a Unix socket: for the CLI, `curl --unix-socket`, Prometheus, a verifier.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "controller/base/error.h"
#include "controller/host/control/peer.h"

namespace keyscribe::control {

/// What was asked, beside method and path. Unchecked text of the peer's.
struct Request {
    std::map<std::string, std::string> query;  ///< /path?name=value; a repeated name: the first
    std::string body;                          ///< at most 64 KiB
};

struct Reply {
    int status = 200;
    std::string body;
    std::string content_type = "application/json";
};

Reply json_reply(int status, const nlohmann::json& body);
/// {"error": {"what", "where", "hint"}}
Reply error_reply(int status, const Error& error);

/// Reading is for root and the configured group, changing for root alone.
enum class Right { kRead, kChange };

/// Reply(const Request&), or Reply() where the path says it all. Called from a thread of the
/// server's, several at a time.
class Handler {
  public:
    template <class Function>
    Handler(Function function) {
        if constexpr (std::is_invocable_r_v<Reply, Function&>)
            function_ = [function](const Request&) mutable { return function(); };
        else
            function_ = std::move(function);
    }
    Reply operator()(const Request& request) const { return function_(request); }

  private:
    std::function<Reply(const Request&)> function_;
};

struct Route {
    std::string method;  ///< "GET" or "POST"
    std::string path;    ///< letters, digits, '/', '-' and '_'
    Right right = Right::kRead;
    Handler handle;
};

bool allowed(const Peer& peer, Right right, std::optional<gid_t> readers);

class Server {
  public:
    /// Listens at `socket` (mode 0660, group `group`) and serves until destroyed. A socket that
    /// nobody answers on is replaced. What is refused is answered with error_reply(): 403, 404,
    /// 405, 411, 413, 414, 415, 431, 400 for what is no HTTP, 503 for what is beyond a user's share
    /// of the threads (Connections). One that sends nothing for a second, or its request too slowly
    /// or at too great length, is closed. Error: somebody answers there (a second daemon), or the
    /// path cannot be used. A group that does not exist, or that the socket cannot be given, is a
    /// warning: root is served anyway.
    static Result<std::unique_ptr<Server>> start(const std::filesystem::path& socket,
                                                 const std::string& group,
                                                 std::vector<Route> routes);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

  private:
    struct Implementation;
    explicit Server(std::unique_ptr<Implementation> implementation);
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace keyscribe::control
