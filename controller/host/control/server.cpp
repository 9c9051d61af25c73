// SPDX-License-Identifier: Apache-2.0
#include "controller/host/control/server.h"

#include <grp.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

#include "controller/base/printable.h"
#include "controller/base/unique_fd.h"
#include "controller/host/control/connections.h"
#include "controller/host/control/http.h"
#include "controller/list/json_text.h"

namespace keyscribe::control {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kBacklog = 64;                  // connections that are not accepted yet
constexpr std::chrono::seconds kPatience{5};  // for a whole request, and again for its answer
constexpr std::chrono::seconds kSilence{1};   // before its first byte

/// One request and its answer. The peer may neither send more than a request has, nor take longer
/// than a deadline: it is one of four that are served at a time.
class Exchange {
  public:
    Exchange(int fd, int stop) : fd_(fd), stop_(stop) {}

    /// Returns the request's first part; nothing: the peer sent no whole one in time.
    std::optional<std::expected<RequestHead, Refusal>> read_head() {
        constexpr std::string_view kEnd = "\r\n\r\n";
        std::size_t looked = 0;
        for (;;) {
            if (const auto at = text_.find(kEnd, looked); at != text_.npos) {
                const std::string head = text_.substr(0, at + kEnd.size());
                text_.erase(0, head.size());
                return parse_head(head);
            }
            looked = text_.size() - std::min(text_.size(), kEnd.size() - 1);
            if (text_.size() > kMaxHead)
                return std::unexpected(Refusal{431, {"the headers are too long", "", ""}});
            if (!read_more()) return std::nullopt;
        }
    }

    /// Nothing: it did not come in time.
    std::optional<std::string> read_body(const RequestHead& head) {
        // curl waits for this a second before it sends a longer body (RFC 9110, 10.1.1).
        if (text_.size() < head.body && head.header("expect") == "100-continue")
            send("HTTP/1.1 100 Continue\r\n\r\n");
        while (text_.size() < head.body)
            if (!read_more()) return std::nullopt;
        return text_.substr(0, head.body);
    }

    void answer(const Reply& reply, bool with_body) {
        deadline_ = Clock::now() + kPatience;
        send(answer_head(reply.status, reply.content_type, reply.body.size()) +
             (with_body ? reply.body : std::string()));
    }

  private:
    bool read_more() {
        std::array<char, 4096> buffer;
        if (!wait(POLLIN, stop_)) return false;
        const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (count <= 0) return false;
        if (std::exchange(silent_, false)) deadline_ += kPatience - kSilence;
        text_.append(buffer.data(), static_cast<std::size_t>(count));
        return true;
    }

    void send(std::string_view text) {
        while (!text.empty() && wait(POLLOUT, -1)) {
            const ssize_t count =
                ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (count < 0) return;
            text.remove_prefix(static_cast<std::size_t>(count));
        }
    }

    bool wait(short events, int stop) const {
        std::array<pollfd, 2> polls = {pollfd{fd_, events, 0}, pollfd{stop, POLLIN, 0}};
        for (;;) {
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
            if (left <= 0) return false;
            const int ready = ::poll(polls.data(), polls.size(), static_cast<int>(left));
            if (ready < 0 && errno == EINTR) continue;
            return ready > 0 && polls[1].revents == 0;
        }
    }

    int fd_;
    int stop_;
    std::string text_;  // that was read and not used yet
    Clock::time_point deadline_ = Clock::now() + kSilence;
    bool silent_ = true;
};

/// The route that answers, or what is said of the request before its body is read.
std::expected<const Route*, Reply> route_of(const std::vector<Route>& routes,
                                            std::optional<gid_t> readers, const Peer& peer,
                                            const RequestHead& head) {
    const std::string where = head.method + ' ' + head.path;
    const std::string method = head.method == "HEAD" ? "GET" : head.method;
    const Route* route = nullptr;
    std::string methods;
    const auto refuse = [&](int status, const char* what, std::string hint) {
        return std::unexpected(error_reply(status, {what, where, std::move(hint)}));
    };
    for (const Route& candidate : routes) {
        if (candidate.path != head.path) continue;
        methods += (methods.empty() ? "" : ", ") + candidate.method;
        if (candidate.method == method) route = &candidate;
    }
    if (methods.empty()) return refuse(404, "there is nothing of that name", "");
    if (route == nullptr) return refuse(405, "not by that method", "use " + methods);
    if (!allowed(peer, route->right, readers))
        return refuse(403, "you may not do that",
                      route->right == Right::kChange
                          ? "be root"
                          : "be root, or in the group of the control socket");
    if (head.headers.contains("content-encoding") ||
        head.header("content-type").starts_with("multipart/"))
        return refuse(415, "the body is not taken in that form", "send it as it is");
    return route;
}

/// The answer to a request that is whole. What a handler throws is not the peer's to know.
Reply reply_to(const Route& route, const RequestHead& head, std::string body) {
    try {
        return route.handle({.query = head.query, .body = std::move(body)});
    } catch (const std::exception& error) {
        spdlog::error("{} {}: {}", route.method, route.path, printable(error.what()));
        return error_reply(500, {"the daemon failed to answer", head.method + ' ' + head.path, ""});
    }
}

/// Takes away the socket that a dead daemon left.
Result<void> clear_the_way(const std::filesystem::path& path, const sockaddr_un& address) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) {
        if (errno == ENOENT) return {};
        return fail_errno("cannot make the control socket", path.string());
    }
    if (!S_ISSOCK(status.st_mode))
        return fail("there is a file that is no socket", path.string(),
                    "remove it, or set control.socket");
    // Not blocking: a daemon whose queue is full is there too.
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno("cannot make a socket", "socket(2)");
    const int connected =
        ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    if (connected == 0 || errno != ECONNREFUSED)
        return fail("another keyscribed answers there", path.string(),
                    "stop it first: systemctl stop keyscribed");
    if (::unlink(path.c_str()) != 0)
        return fail_errno("cannot remove the socket of a dead daemon", path.string());
    return {};
}

Result<UniqueFd> listen_at(const std::filesystem::path& path) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    if (path.string().size() >= sizeof(address.sun_path))
        return fail("the path is too long for a socket", path.string());
    std::ranges::copy(path.string(), address.sun_path);
    if (auto done = clear_the_way(path, address); !done) return std::unexpected(done.error());
    // Not blocking: a connection may be gone before it is accepted.
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno("cannot make a socket", "socket(2)");
    const mode_t former = ::umask(0117);
    const int bound =
        ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    const int code = errno;
    ::umask(former);
    if (bound != 0) return fail_errno("cannot make the control socket", path.string(), {}, code);
    if (::listen(fd.get(), kBacklog) != 0) return fail_errno("cannot listen", path.string());
    return fd;
}

/// Says so in one write that does not wait.
void turn_away(const Connection& connection) {
    const Reply reply = error_reply(503, {"too many connections of one user", "", "try again"});
    const std::string text =
        answer_head(reply.status, reply.content_type, reply.body.size()) + reply.body;
    (void)!::send(connection.fd.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

std::optional<gid_t> group_named(const std::string& name) {
    const group* found = ::getgrnam(name.c_str());
    return found == nullptr ? std::nullopt : std::optional(found->gr_gid);
}

/// The service has the group already (Group=) and may not change owners; root by hand has to.
void give_to_group(const std::filesystem::path& socket, gid_t gid) {
    struct stat status{};
    if (::lstat(socket.c_str(), &status) == 0 && status.st_gid == gid) return;
    if (::lchown(socket.c_str(), static_cast<uid_t>(-1), gid) != 0)
        spdlog::warn("{}: cannot be given to its group: only root may connect", socket.string());
}

}  // namespace

Reply json_reply(int status, const nlohmann::json& body) {
    return {status, list::json_text(body, 2) + '\n'};
}

Reply error_reply(int status, const Error& error) {
    return json_reply(
        status, {{"error", {{"what", error.what}, {"where", error.where}, {"hint", error.hint}}}});
}

bool allowed(const Peer& peer, Right right, std::optional<gid_t> readers) {
    if (peer.uid == 0) return true;
    return right == Right::kRead && readers &&
           std::ranges::find(peer.groups, *readers) != peer.groups.end();
}

struct Server::Implementation {
    Implementation(std::vector<Route> routes, std::optional<gid_t> readers)
        : routes(std::move(routes)), readers(readers) {}

    void serve(const Connection& connection) const {
        const int fd = connection.fd.get();
        Exchange exchange(fd, stop.get());
        const auto head = exchange.read_head();
        if (head && !*head) {
            const Refusal& refusal = head->error();
            exchange.answer(error_reply(refusal.status, refusal.error), true);
        } else if (head) {
            const bool with_body = (*head)->method != "HEAD";
            const auto route = route_of(routes, readers, connection.peer, **head);
            if (!route)
                exchange.answer(route.error(), with_body);
            else if (auto body = exchange.read_body(**head))
                exchange.answer(reply_to(**route, **head, std::move(*body)), with_body);
        }
        ::shutdown(fd, SHUT_RDWR);
    }

    const std::vector<Route> routes;
    const std::optional<gid_t> readers;
    UniqueFd stop{::eventfd(0, EFD_CLOEXEC)};  // never read: once written, all threads see it
    std::optional<Connections> connections;
};

Server::Server(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}

Server::~Server() {
    const std::uint64_t one = 1;
    if (::write(implementation_->stop.get(), &one, sizeof(one)) < 0)
        spdlog::error("cannot stop the control server");
}

Result<std::unique_ptr<Server>> Server::start(const std::filesystem::path& socket,
                                              const std::string& group, std::vector<Route> routes) {
    const auto gid = group_named(group);
    auto implementation = std::make_unique<Implementation>(std::move(routes), gid);
    if (!implementation->stop) return fail_errno("cannot serve the control socket", "eventfd(2)");
    auto listener = listen_at(socket);
    if (!listener) return std::unexpected(listener.error());
    if (gid)
        give_to_group(socket, *gid);
    else
        spdlog::warn("there is no group '{}': only root may read the control socket", group);

    Implementation& self = *implementation;
    self.connections.emplace(
        std::move(*listener), self.stop.get(),
        [&self](const Connection& connection) { self.serve(connection); }, turn_away);
    return std::unique_ptr<Server>(new Server(std::move(implementation)));
}

}  // namespace keyscribe::control
