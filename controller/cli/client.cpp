// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/client.h"

#include <fcntl.h>
#include <httplib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>

#include "controller/base/unique_fd.h"

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

/// cpp-httplib's client, over a connection that is there already.
class UnixClient : public httplib::ClientImpl {
  public:
    explicit UnixClient(UniqueFd connection)
        : httplib::ClientImpl("localhost"), connection_(std::move(connection)) {}

  protected:
    bool create_and_connect_socket(Socket& socket, httplib::Error&) override {
        // The library closes what it is given.
        socket.sock = ::fcntl(connection_.get(), F_DUPFD_CLOEXEC, 0);
        return socket.sock >= 0;
    }

  private:
    UniqueFd connection_;
};

}  // namespace

Result<control::Reply> request(const std::filesystem::path& socket, const std::string& method,
                               const std::string& path, std::chrono::seconds timeout,
                               const std::string& body) {
    auto connection = connect_to(socket, timeout);
    if (!connection) return std::unexpected(connection.error());
    UnixClient client(std::move(*connection));
    client.set_read_timeout(timeout);
    client.set_write_timeout(timeout);
    httplib::Request asked;
    asked.method = method;
    asked.path = path;
    asked.body = body;
    if (!body.empty()) asked.set_header("Content-Type", "application/json");
    const auto result = client.send(asked);
    if (!result)
        return fail("keyscribed did not answer: " + httplib::to_string(result.error()),
                    socket.string(), "systemctl status keyscribed");
    return control::Reply{result->status, result->body, result->get_header_value("Content-Type")};
}

}  // namespace keyscribe::cli
