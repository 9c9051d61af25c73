// SPDX-License-Identifier: Apache-2.0
// Server and client over real Unix sockets; what a client of ours would not send goes out raw.
#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <fstream>
#include <thread>

#include "controller/base/unique_fd.h"
#include "controller/cli/client.h"
#include "controller/host/control/server.h"

namespace keyscribe::control {
namespace control_test {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr const char* kGroup = "daemon";  // there is one on every system
constexpr uid_t kNobody = 65534;

UniqueFd connect_raw(const std::filesystem::path& path) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int failed =
        ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    return failed == 0 ? std::move(fd) : UniqueFd();
}

bool send_raw(const UniqueFd& fd, std::string_view text) {
    return ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
}

std::string read_to_end(const UniqueFd& fd) {
    std::string text;
    char buffer[4096];
    for (ssize_t count; (count = ::recv(fd.get(), buffer, sizeof(buffer), 0)) > 0;)
        text.append(buffer, static_cast<std::size_t>(count));
    return text;
}

/// The body behind the head of an answer.
json body_of(const std::string& answer) {
    const auto end = answer.find("\r\n\r\n");
    return end == std::string::npos ? json() : json::parse(answer.substr(end + 4), nullptr, false);
}

class Control : public ::testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/keyscribe-control-XXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        directory_ = name;
        ::chmod(name, 0755);
        socket_ = directory_ / "control.sock";
    }
    void TearDown() override {
        server_.reset();
        std::filesystem::remove_all(directory_);
    }

    std::vector<Route> routes() {
        return {
            {"GET", "/v1/greeting", Right::kRead, [] { return json_reply(200, {{"hello", 1}}); }},
            {"POST", "/v1/change", Right::kChange,
             [this] {
                 ++changes_;
                 return json_reply(200, {{"changed", true}});
             }},
            {"POST", "/v1/echo", Right::kRead,
             [](const Request& asked) {
                 return json_reply(200, {{"query", asked.query}, {"body", asked.body}});
             }},
            {"GET", "/v1/text", Right::kRead,
             [] { return Reply{200, std::string(10000, 'x'), "text/plain; version=0.0.4"}; }},
            {"GET", "/v1/broken", Right::kRead,
             []() -> Reply { throw std::runtime_error("secret"); }},
        };
    }

    void start(const std::string& group = kGroup) {
        auto server = Server::start(socket_, group, routes());
        ASSERT_TRUE(server) << to_string(server.error());
        server_ = std::move(*server);
    }

    std::string exchange(std::string_view text) {
        const UniqueFd fd = connect_raw(socket_);
        EXPECT_TRUE(fd);
        EXPECT_TRUE(send_raw(fd, text));
        return read_to_end(fd);
    }

    /// The status that somebody else gets for a request; 0: not let in.
    int status_for(uid_t uid, std::vector<gid_t> groups, const char* method, const char* path) {
        const std::string head =
            std::string(method) + ' ' + path + " HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
        const pid_t child = ::fork();
        if (child == 0) {
            if (::setgroups(groups.size(), groups.data()) != 0 || ::setgid(kNobody) != 0 ||
                ::setuid(uid) != 0)
                ::_exit(255);
            const UniqueFd fd = connect_raw(socket_);
            char answer[16] = {};  // "HTTP/1.1 200"
            // Where it is refused at once, the answer is there although nothing can be sent.
            if (fd) (void)send_raw(fd, head);
            if (!fd || ::recv(fd.get(), answer, 12, MSG_WAITALL) != 12) ::_exit(0);
            ::_exit(std::atoi(answer + 9) / 100 * 50 + std::atoi(answer + 9) % 100);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 255;
        return code == 0 || code == 255 ? -(code != 0) : code / 50 * 100 + code % 50;
    }

    std::filesystem::path directory_, socket_;
    std::unique_ptr<Server> server_;
    std::atomic<int> changes_ = 0;
};

TEST_F(Control, Answers) {
    start();
    const auto reply = cli::request(socket_, "GET", "/v1/greeting");
    ASSERT_TRUE(reply) << to_string(reply.error());
    EXPECT_EQ(reply->status, 200);
    EXPECT_EQ(reply->content_type, "application/json");
    EXPECT_EQ(json::parse(reply->body), json({{"hello", 1}}));
}

TEST_F(Control, QueryAndBodyReachTheHandler) {
    start();
    const std::string body = R"({"text": "a\u0000b \"c\""})";
    const auto reply = cli::request(socket_, "POST", "/v1/echo?a=1&b=x%20y&a=2", 60s, body);
    ASSERT_TRUE(reply) << to_string(reply.error());
    const json echo = json::parse(reply->body);
    EXPECT_EQ(echo["query"], json({{"a", "1"}, {"b", "x y"}}));
    EXPECT_EQ(echo["body"], body);
}

TEST_F(Control, UnknownPathsAndWrongMethodsAreSaidInJson) {
    start();
    const auto unknown = cli::request(socket_, "GET", "/v1/nothing");
    ASSERT_TRUE(unknown);
    EXPECT_EQ(unknown->status, 404);
    EXPECT_EQ(json::parse(unknown->body)["error"]["where"], "GET /v1/nothing");

    for (const auto& [method, path] : {std::pair{"GET", "/v1/change"},
                                       {"POST", "/v1/greeting"},
                                       {"DELETE", "/v1/greeting"},
                                       {"BREW", "/v1/greeting"}}) {
        const auto wrong = cli::request(socket_, method, path);
        ASSERT_TRUE(wrong);
        EXPECT_EQ(wrong->status, 405) << method << ' ' << path;
        EXPECT_TRUE(
            json::parse(wrong->body)["error"]["hint"].get<std::string>().starts_with("use "));
    }
    EXPECT_EQ(changes_, 0);
}

TEST_F(Control, WhatIsNotHttpIsRefused) {
    start();
    for (const char* text : {"\r\n\r\n", "GARBAGE\r\n\r\n", "GET /v1/greeting\r\n\r\n",
                             "B(EW /v1/greeting HTTP/1.1\r\n\r\n"}) {
        const std::string answer = exchange(text);
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << text << answer;
        EXPECT_TRUE(body_of(answer).contains("error")) << answer;
    }
    EXPECT_TRUE(exchange("GET /" + std::string(9000, 'a') + " HTTP/1.1\r\n\r\n")
                    .starts_with("HTTP/1.1 414 "));
}

TEST_F(Control, PostWithoutALengthHasNoBody) {  // as `curl -X POST` sends it
    start();
    const auto before = std::chrono::steady_clock::now();
    EXPECT_TRUE(exchange("POST /v1/echo HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 200 "));
    EXPECT_LT(std::chrono::steady_clock::now() - before, 3s);
}

TEST_F(Control, ABodyThatWaitsToBeAskedForIsAskedFor) {  // curl's, of more than 1 KiB
    start();
    const UniqueFd fd = connect_raw(socket_);
    ASSERT_TRUE(send_raw(
        fd, "POST /v1/echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    char go_on[25];
    ASSERT_EQ(::recv(fd.get(), go_on, sizeof(go_on), MSG_WAITALL), 25);
    EXPECT_EQ(std::string_view(go_on, 25), "HTTP/1.1 100 Continue\r\n\r\n");
    ASSERT_TRUE(send_raw(fd, "ab"));
    EXPECT_EQ(body_of(read_to_end(fd))["body"], "ab");
}

TEST_F(Control, HeadHasTheHeadersAlone) {
    start();
    const std::string answer = exchange("HEAD /v1/text HTTP/1.1\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
    EXPECT_TRUE(answer.ends_with("Content-Length: 10000\r\n\r\n")) << answer;
}

TEST_F(Control, BodiesAreBounded) {
    start();
    const auto largest =
        cli::request(socket_, "POST", "/v1/echo", 60s, std::string(64 * 1024, 'b'));
    ASSERT_TRUE(largest) << to_string(largest.error());
    EXPECT_EQ(largest->status, 200);
    const auto larger =
        cli::request(socket_, "POST", "/v1/echo", 60s, std::string(64 * 1024 + 1, 'b'));
    ASSERT_TRUE(larger) << to_string(larger.error());
    EXPECT_EQ(larger->status, 413);
    // Chunked, with no length said beforehand.
    const std::string answer = exchange(
        "POST /v1/echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ncc\r\n0\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 411 ")) << answer.substr(0, 100);
    EXPECT_TRUE(body_of(answer).contains("error")) << answer;
}

TEST_F(Control, CodedBodiesAreRefusedUnread) {
    start();
    for (const char* header : {"Content-Encoding: br", "Content-Encoding: gzip",
                               "Content-Type: multipart/form-data; boundary=x"}) {
        const std::string answer = exchange(std::string("POST /v1/echo HTTP/1.1\r\n") + header +
                                            "\r\nContent-Length: 4\r\n\r\nabcd");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 415 ")) << answer;
    }
}

TEST_F(Control, HeadersWithoutEndAreCutOff) {
    start();
    const UniqueFd fd = connect_raw(socket_);
    ASSERT_TRUE(send_raw(fd, "GET /v1/greeting HTTP/1.1\r\n"));
    const std::string header = "X-Header: " + std::string(1000, 'h') + "\r\n";
    std::size_t sent = 0;
    while (sent < (16u << 20) && send_raw(fd, header)) sent += header.size();
    EXPECT_LT(sent, 1u << 20);  // what the server reads, and what the socket holds
    EXPECT_EQ(cli::request(socket_, "GET", "/v1/greeting")->status, 200);
}

TEST_F(Control, AnswersAreWholeAndUncompressed) {
    start();
    const std::string answer = exchange(
        "GET /v1/text HTTP/1.1\r\nAccept-Encoding: br, gzip\r\nRange: bytes=0-1,2-3\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer.substr(0, 200);
    EXPECT_EQ(answer.find("Content-Encoding"), std::string::npos);
    EXPECT_TRUE(answer.ends_with("\r\n\r\n" + std::string(10000, 'x')));
}

TEST_F(Control, AFailingHandlerGivesNothingAway) {
    start();
    const std::string answer = exchange("GET /v1/broken HTTP/1.1\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 ")) << answer;
    EXPECT_EQ(answer.find("secret"), std::string::npos);
    EXPECT_TRUE(body_of(answer).contains("error"));
}

TEST_F(Control, Rights) {
    if (::getuid() != 0) GTEST_SKIP() << "takes root, to become somebody else";
    start();
    const gid_t group = ::getgrnam(kGroup)->gr_gid;
    struct stat status{};
    ASSERT_EQ(::stat(socket_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0660u);
    EXPECT_EQ(status.st_gid, group);

    EXPECT_EQ(status_for(0, {}, "GET", "/v1/greeting"), 200);
    EXPECT_EQ(status_for(0, {}, "POST", "/v1/change"), 200);
    EXPECT_EQ(status_for(kNobody, {group}, "GET", "/v1/greeting"), 200);
    EXPECT_EQ(status_for(kNobody, {group}, "POST", "/v1/change"), 403);
    EXPECT_EQ(status_for(kNobody, {}, "GET", "/v1/greeting"), 0);
    // The file's mode is not what the rights hang on.
    ASSERT_EQ(::chmod(socket_.c_str(), 0666), 0);
    EXPECT_EQ(status_for(kNobody, {}, "GET", "/v1/greeting"), 403);
    EXPECT_EQ(status_for(kNobody, {}, "POST", "/v1/change"), 403);
    // More groups than fit in a first guess.
    std::vector<gid_t> many(100);
    for (gid_t i = 0; i < many.size(); ++i) many[i] = 100000 + i;
    EXPECT_EQ(status_for(kNobody, many, "GET", "/v1/greeting"), 403);
    many.push_back(group);
    EXPECT_EQ(status_for(kNobody, many, "GET", "/v1/greeting"), 200);
    EXPECT_EQ(changes_, 1);
}

TEST_F(Control, WithoutTheGroupRootIsServed) {
    if (::getuid() != 0) GTEST_SKIP() << "takes root";
    start("no-such-group");
    EXPECT_EQ(cli::request(socket_, "GET", "/v1/greeting")->status, 200);
    ASSERT_EQ(::chmod(socket_.c_str(), 0666), 0);
    EXPECT_EQ(status_for(kNobody, {}, "GET", "/v1/greeting"), 403);
}

TEST_F(Control, ASecondServerIsRefusedAndTheFirstGoesOn) {
    start();
    const auto second = Server::start(socket_, kGroup, routes());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().what, "another keyscribed answers there");
    EXPECT_EQ(cli::request(socket_, "GET", "/v1/greeting")->status, 200);
}

TEST_F(Control, ADeadServersSocketIsReplaced) {
    start();
    server_.reset();
    ASSERT_TRUE(std::filesystem::is_socket(socket_));
    start();
    EXPECT_EQ(cli::request(socket_, "GET", "/v1/greeting")->status, 200);
}

TEST_F(Control, AFileThatIsNoSocketIsLeftAlone) {
    std::ofstream(socket_) << "precious";
    const auto server = Server::start(socket_, kGroup, routes());
    ASSERT_FALSE(server);
    EXPECT_EQ(server.error().where, socket_);
    EXPECT_EQ(std::filesystem::file_size(socket_), 8u);
}

TEST_F(Control, APathThatIsTooLongIsRefused) {
    const auto path = directory_ / std::string(200, 'p');
    EXPECT_FALSE(Server::start(path, kGroup, routes()));
    EXPECT_FALSE(cli::request(path, "GET", "/v1/greeting"));
}

TEST_F(Control, TheClientSaysWhatToDo) {
    const auto absent = cli::request(socket_, "GET", "/v1/greeting");
    ASSERT_FALSE(absent);
    EXPECT_NE(absent.error().hint.find("systemctl status keyscribed"), std::string::npos);
    start();
    server_.reset();
    const auto dead = cli::request(socket_, "GET", "/v1/greeting");
    ASSERT_FALSE(dead);
    EXPECT_NE(dead.error().hint.find("systemctl status keyscribed"), std::string::npos);
}

TEST_F(Control, TheClientMayNotBeLetIn) {
    if (::getuid() != 0) GTEST_SKIP() << "takes root, to become somebody else";
    start();
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setgroups(0, nullptr) != 0 || ::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)
            ::_exit(2);
        const auto reply = cli::request(socket_, "GET", "/v1/greeting");
        ::_exit(!reply && reply.error().hint == "be root, or a member of the group keyscribe" ? 0
                                                                                              : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

TEST_F(Control, ManyAskAtOnce) {
    start();
    std::atomic<int> answered = 0;
    {
        std::vector<std::jthread> clients;
        for (int i = 0; i < 16; ++i)
            clients.emplace_back([&] {
                for (int j = 0; j < 25; ++j) {
                    const auto reply = cli::request(socket_, "POST", "/v1/change");
                    if (reply && reply->status == 200) ++answered;
                }
            });
    }
    EXPECT_EQ(answered, 16 * 25);
    EXPECT_EQ(changes_, 16 * 25);
}

TEST_F(Control, TheSlowCannotKeepTheOthersOut) {
    start();
    std::vector<UniqueFd> slow;
    for (int i = 0; i < 4; ++i) {  // as many as the server has threads
        slow.push_back(connect_raw(socket_));
        ASSERT_TRUE(send_raw(slow.back(), "GET /v1/gree"));
    }
    std::jthread dripping([&](std::stop_token stop) {
        while (!stop.stop_requested()) {
            for (const UniqueFd& fd : slow) send_raw(fd, "t");
            ::poll(nullptr, 0, 50);  // often enough that no single wait of the server's ends
        }
    });
    const auto reply = cli::request(socket_, "GET", "/v1/greeting", 60s);
    ASSERT_TRUE(reply) << to_string(reply.error());
    EXPECT_EQ(reply->status, 200);
}

TEST_F(Control, ASilentOneIsClosedAfterASecond) {
    start();
    const UniqueFd silent = connect_raw(socket_);
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(body_of(read_to_end(silent)), json());
    EXPECT_LT(std::chrono::steady_clock::now() - before, 3s);
}

/// Connects `count` times as somebody else, and keeps silent until `go` is closed.
pid_t crowd(const std::filesystem::path& socket, uid_t uid, gid_t group, int count, int ready,
            const int (&go)[2]) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    ::close(go[1]);  // its end is what is waited for
    if (::setgroups(1, &group) != 0 || ::setgid(kNobody) != 0 || ::setuid(uid) != 0) ::_exit(2);
    std::vector<UniqueFd> silent;
    char byte = 0;
    for (int i = 0; i < count; ++i) {
        silent.push_back(connect_raw(socket));
        // Half a request: it is not silent, and yet not done.
        send_raw(silent.back(), "GET /v1/gree");
    }
    (void)!::write(ready, &byte, 1);
    (void)!::read(go[0], &byte, 1);
    ::_exit(0);
}

TEST_F(Control, RootIsAnsweredWhateverOthersDo) {
    if (::getuid() != 0) GTEST_SKIP() << "takes root, to become somebody else";
    start();
    int ready[2], go[2];
    ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(go, O_CLOEXEC), 0);
    const gid_t group = ::getgrnam(kGroup)->gr_gid;
    std::vector<pid_t> crowds;
    for (uid_t uid = 3000; uid < 3003; ++uid)
        crowds.push_back(crowd(socket_, uid, group, 68, ready[1], go));
    for (std::size_t i = 0; i < crowds.size(); ++i) {
        char byte = 0;
        ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    }
    const auto before = std::chrono::steady_clock::now();
    for (int i = 0; i < 5; ++i) EXPECT_EQ(status_for(0, {}, "POST", "/v1/change"), 200);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 2s);
    ::close(go[1]);
    for (const pid_t child : crowds) ::waitpid(child, nullptr, 0);
}

TEST_F(Control, OneUserDoesNotKeepAnotherOut) {
    if (::getuid() != 0) GTEST_SKIP() << "takes root, to become somebody else";
    start();
    int ready[2], go[2];
    ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(go, O_CLOEXEC), 0);
    const gid_t group = ::getgrnam(kGroup)->gr_gid;
    const pid_t child = crowd(socket_, 3000, group, 40, ready[1], go);
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(status_for(kNobody, {group}, "GET", "/v1/greeting"), 200);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 2s);
    // Beyond a user's share one is told so: where the first of them were accepted faster than
    // served, a few more fill it.
    const pid_t more = crowd(socket_, 3000, group, 4, ready[1], go);
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    EXPECT_EQ(status_for(3000, {group}, "GET", "/v1/greeting"), 503);
    ::close(go[1]);
    for (const pid_t each : {child, more}) ::waitpid(each, nullptr, 0);
}

TEST_F(Control, StopsAlthoughClientsAreSilent) {
    start();
    std::vector<UniqueFd> silent;
    for (int i = 0; i < 8; ++i) {
        silent.push_back(connect_raw(socket_));
        ASSERT_TRUE(send_raw(silent.back(), "GET"));
    }
    const auto before = std::chrono::steady_clock::now();
    server_.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - before, 3s);
}

}  // namespace control_test
}  // namespace keyscribe::control
