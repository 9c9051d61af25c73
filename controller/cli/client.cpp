// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/client.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "controller/base/unique_fd.h"
#include "controller/host/control/http.h"

namespace keyscribe::cli {
namespace {

Result<UniqueFd> connect_to(const std::filesystem::path& path, std::chrono::seconds timeout) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    if (path.string().size() >= sizeof(address.sun_path))
        return fail("the path is too long for a socket", path.string());
    std::ranges::copy(path.string(), address.sun_path);
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno("cannot make a socket", "socket(2)");
    // Holds for connect(2) too, which waits where the daemon's queue is full (unix(7)).
    const timeval limit{.tv_sec = timeout.count(), .tv_usec = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0)
        return fd;
    if (errno == EAGAIN)
        return fail("keyscribed is too busy to answer", path.string(), "try again");
    if (errno == EACCES || errno == EPERM)
        return fail_errno("cannot ask keyscribed", path.string(),
                          "be root, or a member of the group keyscribe");
    return fail_errno("cannot reach keyscribed", path.string(),
                      "is it running? systemctl status keyscribed");
}

/// Sends all of it, or as much as the daemon takes: one that refuses a request closes before its
/// end.
void send_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return;
        text.remove_prefix(static_cast<std::size_t>(count));
    }
}

/// What the daemon sends until it closes. Error: errno.
std::expected<std::string, int> receive_all(int fd) {
    std::string text;
    std::array<char, 65536> buffer;
    while (text.size() <= control::kMaxAnswer) {
        const ssize_t count = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (count == 0 || (count < 0 && errno == ECONNRESET)) return text;
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return std::unexpected(errno);
        text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return std::unexpected(EMSGSIZE);
}

}  // namespace

Result<control::Reply> request(const std::filesystem::path& socket, const std::string& method,
                               const std::string& path, std::chrono::seconds timeout,
                               const std::string& body) {
    auto connection = connect_to(socket, timeout);
    if (!connection) return std::unexpected(connection.error());
    std::string text =
        method + ' ' + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    if (!body.empty()) text += "Content-Type: application/json\r\n";
    text += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    send_all(connection->get(), text);
    const auto received = receive_all(connection->get());
    const auto silent = [&](const std::string& why) {
        return fail("keyscribed did not answer: " + why, socket.string(),
                    "systemctl status keyscribed");
    };
    if (!received && received.error() == EAGAIN)
        return silent("nothing came in " + std::to_string(timeout.count()) + " s");
    if (!received) return silent(std::generic_category().message(received.error()));
    auto answer = control::parse_answer(*received);
    if (!answer) return silent("the connection was closed");
    return control::Reply{answer->status, std::move(answer->body), std::move(answer->content_type)};
}

Result<nlohmann::json> ask(const std::filesystem::path& socket, const std::string& method,
                           const std::string& path, std::chrono::seconds timeout,
                           const std::string& body) {
    auto reply = request(socket, method, path, timeout, body);
    if (!reply) return std::unexpected(reply.error());
    nlohmann::json answer = nlohmann::json::parse(reply->body, nullptr, false);
    if (answer.is_discarded()) return fail("the daemon's answer is no JSON", path);
    if (reply->status == 200) return answer;
    const nlohmann::json& error = answer["error"];
    return fail(error.value("what", "refused"), error.value("where", ""), error.value("hint", ""));
}

}  // namespace keyscribe::cli
