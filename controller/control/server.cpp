// SPDX-License-Identifier: Apache-2.0
#include "controller/control/server.h"

#include <grp.h>
#include <httplib.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "controller/unique_fd.h"

namespace keyscribe::control {
namespace {

constexpr int kThreads = 2;
constexpr std::size_t kQueue = 32;        // connections that wait for a thread
constexpr std::size_t kBody = 64 * 1024;  // bytes of a request's body
constexpr int kPatience = 5000;           // ms that a peer may leave a connection silent

/// The connection as cpp-httplib wants it.
class UnixStream : public httplib::Stream {
  public:
    explicit UnixStream(int fd) : fd_(fd) {}
    bool is_readable() const override { return wait(POLLIN); }
    bool is_writable() const override { return wait(POLLOUT); }
    ssize_t read(char* to, std::size_t size) override {
        return is_readable() ? ::recv(fd_, to, size, 0) : -1;
    }
    ssize_t write(const char* from, std::size_t size) override {
        return is_writable() ? ::send(fd_, from, size, MSG_NOSIGNAL) : -1;
    }
    void get_remote_ip_and_port(std::string&, int&) const override {}
    void get_local_ip_and_port(std::string&, int&) const override {}
    socket_t socket() const override { return fd_; }

  private:
    bool wait(short events) const {
        pollfd poll{.fd = fd_, .events = events, .revents = 0};
        return ::poll(&poll, 1, kPatience) > 0;
    }
    int fd_;
};

Peer peer_of(int fd) {
    Peer peer;
    ucred credentials{};
    socklen_t size = sizeof(credentials);
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return peer;
    peer.uid = credentials.uid;
    peer.groups.push_back(credentials.gid);
    std::vector<gid_t> groups(64);
    size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0 && errno == ERANGE) {
        groups.resize(size / sizeof(gid_t));
        if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) size = 0;
    }
    groups.resize(size / sizeof(gid_t));
    peer.groups.insert(peer.groups.end(), groups.begin(), groups.end());
    return peer;
}

/// The peer of the connection that this thread serves.
thread_local Peer current_peer;

/// cpp-httplib's request parsing and routing, without its own sockets.
class HttpServer : public httplib::Server {
  public:
    HttpServer() {
        set_payload_max_length(kBody);
        set_keep_alive_max_count(1);
    }
    void serve(int fd) {
        current_peer = peer_of(fd);
        UnixStream stream(fd);
        bool closed = false;
        process_request(stream, true, closed, nullptr);
        ::shutdown(fd, SHUT_RDWR);
    }
};

bool somebody_answers(const sockaddr_un& address) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return fd && ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                           sizeof(address)) == 0;
}

Result<UniqueFd> listen_at(const std::filesystem::path& path) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    if (path.string().size() >= sizeof(address.sun_path))
        return fail("the path is too long for a socket", path.string());
    std::ranges::copy(path.string(), address.sun_path);
    if (somebody_answers(address))
        return fail("another keyscribed answers there", path.string(),
                    "stop it first: systemctl stop keyscribed");
    ::unlink(path.c_str());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno("cannot make a socket", "socket(2)");
    const mode_t former = ::umask(0117);
    const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    ::umask(former);
    if (bound != 0) return fail_errno("cannot make the control socket", path.string());
    if (::listen(fd.get(), 64) != 0) return fail_errno("cannot listen", path.string());
    return fd;
}

std::optional<gid_t> group_named(const std::string& name) {
    const group* found = ::getgrnam(name.c_str());
    return found == nullptr ? std::nullopt : std::optional(found->gr_gid);
}

}  // namespace

Reply json_reply(int status, const nlohmann::json& body) {
    return {status, body.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n'};
}

Reply error_reply(int status, const Error& error) {
    return json_reply(
        status,
        {{"error", {{"what", error.what}, {"where", error.where}, {"hint", error.hint}}}});
}

bool allowed(const Peer& peer, Right right, gid_t reading_group) {
    if (peer.uid == 0) return true;
    return right == Right::kRead &&
           std::ranges::find(peer.groups, reading_group) != peer.groups.end();
}

struct Server::Implementation {
    HttpServer http;
    UniqueFd listener;
    UniqueFd stop{::eventfd(0, EFD_CLOEXEC)};
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<UniqueFd> waiting;
    bool stopping = false;
    std::vector<std::jthread> threads;

    void accept_connections() {
        for (;;) {
            std::array<pollfd, 2> polls = {pollfd{listener.get(), POLLIN, 0},
                                           pollfd{stop.get(), POLLIN, 0}};
            if (::poll(polls.data(), polls.size(), -1) < 0 && errno != EINTR) return;
            if (polls[1].revents != 0) return;
            if (polls[0].revents == 0) continue;
            UniqueFd connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!connection) continue;
            const std::lock_guard lock(mutex);
            if (waiting.size() >= kQueue) continue;  // closed: the client sees it and tries again
            waiting.push_back(std::move(connection));
            changed.notify_one();
        }
    }

    void serve_connections() {
        for (;;) {
            UniqueFd connection;
            {
                std::unique_lock lock(mutex);
                changed.wait(lock, [this] { return stopping || !waiting.empty(); });
                if (stopping) return;
                connection = std::move(waiting.front());
                waiting.pop_front();
            }
            http.serve(connection.get());
        }
    }
};

Server::Server() : implementation_(std::make_unique<Implementation>()) {}

Server::~Server() {
    const std::uint64_t one = 1;
    if (::write(implementation_->stop.get(), &one, sizeof(one)) < 0)
        spdlog::error("cannot stop the control server");
    const std::lock_guard lock(implementation_->mutex);
    implementation_->stopping = true;
    implementation_->changed.notify_all();
}

Result<std::unique_ptr<Server>> Server::start(const std::filesystem::path& socket,
                                              const std::string& group,
                                              std::vector<Route> routes) {
    auto listener = listen_at(socket);
    if (!listener) return std::unexpected(listener.error());
    const auto gid = group_named(group);
    if (!gid)
        spdlog::warn("there is no group '{}': only root may read the control socket", group);

    std::unique_ptr<Server> server(new Server);
    Implementation& self = *server->implementation_;
    self.listener = std::move(*listener);
    for (const Route& route : routes) {
        const auto handler = [route, gid](const httplib::Request&, httplib::Response& response) {
            const Reply reply =
                allowed(current_peer, route.right, gid.value_or(static_cast<gid_t>(-1)))
                    ? route.handle()
                    : error_reply(403, {"you may not do that", route.path,
                                        route.right == Right::kChange
                                            ? "be root"
                                            : "be root, or in the group of the control socket"});
            response.status = reply.status;
            response.set_content(reply.body, reply.content_type);
        };
        if (route.method == "POST") self.http.Post(route.path, handler);
        else self.http.Get(route.path, handler);
    }
    self.http.set_error_handler([](const httplib::Request& request, httplib::Response& response) {
        if (!response.body.empty()) return;
        const Reply reply = error_reply(response.status, {"there is nothing of that name",
                                                          request.method + " " + request.path, ""});
        response.set_content(reply.body, reply.content_type);
    });
    self.threads.emplace_back([&self] { self.accept_connections(); });
    for (int i = 0; i < kThreads; ++i) self.threads.emplace_back([&self] { self.serve_connections(); });
    return server;
}

}  // namespace keyscribe::control
