// SPDX-License-Identifier: Apache-2.0
// verifier-hostile VERIFIER [SECONDS]: what hosts notice of clients that take what they can. Two
// hosts attest, on a new connection each time; beside them, one after the other: nobody; 10,000
// connections that say nothing; clients that stop in the middle of a head and of a body; one
// address with more connections than it may have; one that asks for sessions as fast as it can.
// Prints how long the hosts' visits took; exit status 1 where one of them was refused.
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <deque>
#include <fstream>
#include <thread>
#include <vector>

#include "tests/support/databases.h"
#include "tests/support/verifier_process.h"

namespace {

namespace fs = std::filesystem;
using namespace keyscribe::testing;
using Clock = std::chrono::steady_clock;

constexpr unsigned kIdle = 10000, kSlow = 300, kEach = 500;
std::atomic<unsigned> faults = 0;

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// A connection from 127.0.0.`last`; -1: it was refused.
int connect_from(unsigned last, unsigned port) {
    const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in here{}, there{};
    here.sin_family = there.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + last);
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    there.sin_port = htons(static_cast<std::uint16_t>(port));
    if (::bind(made, reinterpret_cast<const sockaddr*>(&here), sizeof here) == 0 &&
        ::connect(made, reinterpret_cast<const sockaddr*>(&there), sizeof there) == 0)
        return made;
    ::close(made);
    return -1;
}

bool is_open(int socket) {
    char byte = 0;
    return socket >= 0 && ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

/// Somebody who does harm until it is destroyed.
class Attack {
  public:
    template <class Work>
    explicit Attack(Work work) : thread_([this, work] { work(ends_); }) {}
    ~Attack() { ends_ = true; }

  private:
    std::atomic<bool> ends_ = false;
    std::jthread thread_;
};

/// Connections without a word, `each` from an address; what is closed is opened again.
void hold_idle(unsigned port, unsigned count, unsigned each, std::atomic<unsigned>& open,
               const std::atomic<bool>& ends) {
    std::vector<int> sockets(count, -1);
    while (!ends) {
        unsigned alive = 0;
        for (unsigned i = 0; i < count && !ends; ++i) {
            if (is_open(sockets[i])) {
                ++alive;
                continue;
            }
            if (sockets[i] >= 0) ::close(sockets[i]);
            sockets[i] = connect_from(2 + i / each, port);
        }
        open = alive;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    for (const int socket : sockets)
        if (socket >= 0) ::close(socket);
}

/// Connections on which a part of a request came.
void hold_slow(unsigned port, std::atomic<unsigned>& open, const std::atomic<bool>& ends) {
    const std::string head = "POST /v1/enrolments HTTP/1.1\r\nHost: x\r\n";
    std::deque<std::unique_ptr<HttpsClient>> clients;
    while (!ends) {
        if (clients.size() == kSlow) clients.pop_front();
        try {
            clients.push_back(std::make_unique<HttpsClient>(port));
            clients.back()->write(
                clients.size() % 2 != 0 ? head : head + "Content-Length: 100000\r\n\r\nhalf");
        } catch (const std::exception&) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        open = static_cast<unsigned>(clients.size());
    }
}

void ask_without_pause(unsigned port, std::atomic<unsigned>& asked, const std::atomic<bool>& ends) {
    while (!ends) try {
            HttpsClient client(port);
            while (!ends && ++asked) client.send("POST", "/challenge-response/v1/newSession");
        } catch (const std::exception&) {
        }
}

class Fleet {
  public:
    Fleet(const VerifierProcess& verifier, double seconds)
        : port_(verifier.port()), process_(verifier.id()), seconds_(seconds) {
        HttpsClient client(port_);
        const std::string token = verifier.enrolment_token();
        for (int i = 0; i < 2; ++i) {
            hosts_.emplace_back("host-" + std::to_string(i), true).host.good();
            ids_.push_back(enrol_by_http(hosts_.back(), client, token));
            visit_by_http(hosts_.back(), ids_.back(), client);
        }
    }
    void measure(const char* what, const std::atomic<unsigned>* harm) {
        std::vector<std::vector<double>> taken(hosts_.size());
        std::atomic<unsigned> refused = 0;
        {
            std::vector<std::jthread> threads;
            for (std::size_t i = 0; i < hosts_.size(); ++i)
                threads.emplace_back([&, i] {
                    for (const auto begin = Clock::now(); seconds_since(begin) < seconds_;) {
                        const auto start = Clock::now();
                        if (!visit(i)) ++refused;
                        taken[i].push_back(1e3 * seconds_since(start));
                        std::this_thread::sleep_for(std::chrono::milliseconds(20));
                    }
                });
        }
        std::vector<double> all;
        for (const auto& of : taken) all.insert(all.end(), of.begin(), of.end());
        std::ranges::sort(all);
        std::printf("%-48s %5zu visits, p50 %6.1f ms, p99 %6.1f ms, %u refused, verifier %s\n",
                    what, all.size(), all[all.size() / 2], all[all.size() * 99 / 100],
                    refused.load(), memory().c_str());
        if (harm != nullptr) std::printf("%50u of them\n", harm->load());
        std::fflush(stdout);
        faults += refused;
    }

  private:
    bool visit(std::size_t i) {
        try {
            HttpsClient client(port_);
            return visit_by_http(hosts_[i], ids_[i], client).answer.status == 200;
        } catch (const std::exception&) {
            return false;
        }
    }
    std::string memory() const {
        std::ifstream status("/proc/" + std::to_string(process_) + "/status");
        for (std::string line; std::getline(status, line);)
            if (line.starts_with("VmRSS"))
                return std::to_string(std::stol(line.substr(6)) >> 10) + " MiB";
        return {};
    }

    unsigned port_;
    pid_t process_;
    double seconds_;
    std::deque<FleetHost> hosts_;
    std::vector<std::string> ids_;
};

void run(const std::string& program, double seconds, const fs::path& folder) {
    const unsigned port = 19000 + static_cast<unsigned>(::getpid() % 900);
    VerifierProcess verifier(program, folder, port,
                             "store.url = \"" + new_database(Engine::kSqlite) +
                                 "\"\nenrol.known_by_token = true\nlog.level = \"error\"\n");
    verifier.start();
    verifier.wait_until_it_serves();
    Fleet fleet(verifier, seconds);
    fleet.measure("nobody else", nullptr);
    std::atomic<unsigned> harm = 0;
    const auto wait_for = [&](unsigned count) {
        for (int i = 0; harm < count && i < 600; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
    };
    {
        const Attack attack([&](const auto& ends) { hold_idle(port, kIdle, kEach, harm, ends); });
        wait_for(kIdle * 9 / 10);
        fleet.measure("10,000 connections that say nothing", &harm);
    }
    harm = 0;
    {
        const Attack attack([&](const auto& ends) { hold_slow(port, harm, ends); });
        wait_for(kSlow);
        fleet.measure("halves of heads and bodies", &harm);
    }
    harm = 0;
    {
        const Attack attack(
            [&](const auto& ends) { hold_idle(port, kIdle / 2, kIdle, harm, ends); });
        wait_for(1900);
        fleet.measure("5,000 connections of one address", &harm);
    }
    harm = 0;
    {
        const Attack attack([&](const auto& ends) { ask_without_pause(port, harm, ends); });
        fleet.measure("one that asks for sessions without a pause", &harm);
    }
    fleet.measure("nobody else", nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) return 2;
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    ::signal(SIGPIPE, SIG_IGN);
    std::string pattern = (fs::temp_directory_path() / "keyscribe-hostile-XXXXXX").string();
    const fs::path folder = ::mkdtemp(pattern.data());
    try {
        run(argv[1], argc > 2 ? std::atof(argv[2]) : 5, folder);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "verifier-hostile: %s\n", error.what());
        ++faults;
    }
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    return faults == 0 ? 0 : 1;
}
