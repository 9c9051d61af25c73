// SPDX-License-Identifier: Apache-2.0
#include "controller/host/control/server.h"

#include <grp.h>
#include <httplib.h>
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

#include "controller/base/unique_fd.h"
#include "controller/host/control/connections.h"
#include "controller/list/json_text.h"

namespace keyscribe::control {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kBacklog = 64;                  // connections that are not accepted yet
constexpr std::size_t kBody = 64 * 1024;      // bytes of a request's body
constexpr std::size_t kRequest = 2 * kBody;   // bytes of a request, headers included
constexpr std::chrono::seconds kPatience{5};  // for a whole request, and again for its answer
constexpr std::chrono::seconds kSilence{1};   // before its first byte

/// The connection as cpp-httplib wants it. The library limits neither the number of headers nor the
/// time that they take: so the connection has a budget of bytes and a deadline.
class UnixStream : public httplib::Stream {
  public:
    UnixStream(int fd, int stop) : fd_(fd), stop_(stop) {}
    bool is_readable() const override { return !unread_.empty() || wait(POLLIN, stop_); }
    bool is_writable() const override { return wait(POLLOUT, -1); }
    /// The library asks for a request's lines byte by byte.
    ssize_t read(char* to, std::size_t size) override {
        if (unread_.empty()) {
            if (budget_ == 0 || !is_readable()) return -1;
            const ssize_t count =
                ::recv(fd_, buffer_.data(), std::min(buffer_.size(), budget_), MSG_DONTWAIT);
            if (count <= 0) return count;
            budget_ -= static_cast<std::size_t>(count);
            if (std::exchange(silent_, false)) deadline_ += kPatience - kSilence;
            unread_ = std::string_view(buffer_.data(), static_cast<std::size_t>(count));
        }
        const std::size_t count = unread_.copy(to, size);
        unread_.remove_prefix(count);
        return static_cast<ssize_t>(count);
    }
    ssize_t write(const char* from, std::size_t size) override {
        // The handler's own time is not the peer's fault.
        if (!std::exchange(answering_, true)) deadline_ = Clock::now() + kPatience;
        return is_writable() ? ::send(fd_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT) : -1;
    }
    void get_remote_ip_and_port(std::string&, int&) const override {}
    void get_local_ip_and_port(std::string&, int&) const override {}
    socket_t socket() const override { return fd_; }

  private:
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
    std::array<char, 4096> buffer_;
    std::string_view unread_;  // of the buffer
    std::size_t budget_ = kRequest;
    Clock::time_point deadline_ = Clock::now() + kSilence;
    bool silent_ = true;
    bool answering_ = false;
};

/// The peer of the connection that this thread serves.
thread_local Peer current_peer;

void answer(httplib::Response& response, const Reply& reply) {
    response.status = reply.status;
    response.set_content(reply.body, reply.content_type);
}

/// What may be said of a request before its body is read; nothing: go on.
std::optional<Reply> refusal(const std::vector<Route>& routes, std::optional<gid_t> readers,
                             const httplib::Request& request) {
    const std::string where = request.method + ' ' + request.path;
    const std::string method = request.method == "HEAD" ? "GET" : request.method;
    const Route* route = nullptr;
    std::string methods;
    for (const Route& candidate : routes) {
        if (candidate.path != request.path) continue;
        methods += (methods.empty() ? "" : ", ") + candidate.method;
        if (candidate.method == method) route = &candidate;
    }
    if (methods.empty()) return error_reply(404, {"there is nothing of that name", where, ""});
    if (route == nullptr) return error_reply(405, {"not by that method", where, "use " + methods});
    if (!allowed(current_peer, route->right, readers))
        return error_reply(403, {"you may not do that", where,
                                 route->right == Right::kChange
                                     ? "be root"
                                     : "be root, or in the group of the control socket"});
    // The library would inflate 64 KiB to gigabytes, and take a multipart body apart.
    if (request.has_header("Content-Encoding") || request.is_multipart_form_data())
        return error_reply(415, {"the body is not taken in that form", where, "send it as it is"});
    return std::nullopt;
}

/// What the library refuses by itself.
std::string meaning_of(int status) {
    switch (status) {
        case 413:
            return "the body is longer than " + std::to_string(kBody) + " bytes";
        case 414:
            return "the path is too long";
        case 500:
            return "the daemon failed to answer";
        default:
            return "the request is not understood";
    }
}

/// cpp-httplib's request parsing and routing, without its own sockets.
class HttpServer : public httplib::Server {
  public:
    HttpServer(std::vector<Route> routes, std::optional<gid_t> readers)
        : routes_(std::move(routes)), readers_(readers) {
        set_payload_max_length(kBody);
        set_keep_alive_max_count(1);
        set_pre_routing_handler([this](const auto& request, auto& response) {
            const auto refused = refusal(routes_, readers_, request);
            if (!refused) return HandlerResponse::Unhandled;
            answer(response, *refused);
            return HandlerResponse::Handled;
        });
        set_exception_handler([](const auto&, auto& response, const auto&) {
            response.status = 500;  // and the error handler's words
        });
        set_error_handler([](const httplib::Request& request, httplib::Response& response) {
            if (!response.body.empty()) return;
            answer(response,
                   error_reply(response.status, {meaning_of(response.status),
                                                 request.method + ' ' + request.path, ""}));
        });
        for (const Route& route : routes_) {
            const auto handler = [&route](const auto& request, auto& response) {
                if (request.body.size() > kBody) {  // chunked: the library counts no chunks
                    response.status = 413;
                    return;
                }
                Request asked{.query = {}, .body = request.body};
                asked.query.insert(request.params.begin(), request.params.end());
                answer(response, route.handle(asked));
            };
            if (route.method == "POST")
                Post(route.path, handler);
            else
                Get(route.path, handler);
        }
    }

    void serve(const Connection& connection, int stop) {
        current_peer = connection.peer;
        const int fd = connection.fd.get();
        UnixStream stream(fd, stop);
        bool closed = false;
        process_request(stream, true, closed, [](httplib::Request& request) {
            request.ranges.clear();                    // an answer is given whole,
            request.headers.erase("Accept-Encoding");  // and as it is: brotli takes megabytes
            // Without a length there is no body (RFC 9112, 6.3); the library would wait for its
            // end.
            if (!request.has_header("Content-Length") && !request.has_header("Transfer-Encoding"))
                request.set_header("Content-Length", "0");
        });
        ::shutdown(fd, SHUT_RDWR);
    }

  private:
    std::vector<Route> routes_;
    std::optional<gid_t> readers_;
};

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
    const std::string text = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n" +
                             ("Content-Type: " + reply.content_type) +
                             "\r\nContent-Length: " + std::to_string(reply.body.size()) +
                             "\r\n\r\n" + reply.body;
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
        : http(std::move(routes), readers) {}

    HttpServer http;
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
    const int stop = self.stop.get();
    self.connections.emplace(
        std::move(*listener), stop,
        [&self, stop](const Connection& connection) { self.http.serve(connection, stop); },
        turn_away);
    return std::unique_ptr<Server>(new Server(std::move(implementation)));
}

}  // namespace keyscribe::control
