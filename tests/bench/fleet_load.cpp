// SPDX-License-Identifier: Apache-2.0
// A fleet of simulated hosts, with keys of their own, over real TLS, against keyscribe-verifier
// processes that it starts:
//
//     fleet-load VERIFIER sqlite|postgres PROCESSES HOSTS SECONDS new|kept
//
// Each visit is a session and evidence with nothing new: two requests, on a connection for each
// visit or on one that is kept. Prints what was done a second, and how long it took; the first
// visit of each host, with its whole list, is not counted.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/databases.h"
#include "tests/support/verifier_process.h"

namespace {

using keyscribe::testing::FleetHost;
using keyscribe::testing::HttpsClient;
using keyscribe::testing::VerifierProcess;
using Clock = std::chrono::steady_clock;

constexpr unsigned kPort = 18600;
constexpr unsigned kThreads = 8;

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "fleet-load: %s\n", what.c_str());
    std::exit(1);
}

struct Simulated {
    FleetHost host;
    std::string id;
};

void visit(Simulated& one, HttpsClient& client) {
    const auto done = keyscribe::testing::visit_by_http(one.host, one.id, client);
    if (done.answer.status != 200) fail(done.answer.body);
}

/// Runs `work(thread)` on all threads.
template <class Work>
void on_threads(Work work) {
    std::vector<std::jthread> threads;
    for (unsigned thread = 0; thread < kThreads; ++thread) threads.emplace_back(work, thread);
}

double since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Seconds of CPU that the processes have had: what else the machine does falsifies them less than
/// the time.
double cpu_of(const std::deque<VerifierProcess>& verifiers) {
    double ticks = 0;
    for (const VerifierProcess& verifier : verifiers) {
        std::ifstream file("/proc/" + std::to_string(verifier.id()) + "/stat");
        std::string word;
        // proc(5): utime and stime are the fields 14 and 15.
        for (int field = 1; field <= 15 && file >> word; ++field)
            if (field >= 14) ticks += std::atof(word.c_str());
    }
    return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 7) fail("VERIFIER sqlite|postgres PROCESSES HOSTS SECONDS new|kept");
    const bool postgres = argv[2] == std::string("postgres"), kept = argv[6] == std::string("kept");
    const auto processes = static_cast<unsigned>(std::atoi(argv[3]));
    const auto count = static_cast<unsigned>(std::atoi(argv[4]));
    const double seconds = std::atof(argv[5]);
    std::string pattern = (std::filesystem::temp_directory_path() / "fleet-load-XXXXXX").string();
    const std::filesystem::path folder = ::mkdtemp(pattern.data());
    using keyscribe::testing::Engine;
    const std::string url =
        keyscribe::testing::new_database(postgres ? Engine::kPostgres : Engine::kSqlite);
    const std::string settings = "store.url = \"" + url +
                                 "\"\nlimits.connections_for_address = 12000\n"
                                 "enrol.known_by_token = true\n";
    std::deque<VerifierProcess> verifiers;
    for (unsigned i = 0; i < processes; ++i) {
        verifiers.emplace_back(argv[1], folder, kPort + i, settings);
        verifiers.back().start();
        verifiers.back().wait_until_it_serves();
    }
    const std::string token = verifiers[0].enrolment_token();

    std::deque<Simulated> hosts;
    for (unsigned i = 0; i < count; ++i) {
        hosts.push_back({.host = FleetHost("host-" + std::to_string(i), true)});
        hosts.back().host.host.good();
    }
    auto begin = Clock::now();
    on_threads([&](unsigned thread) {
        HttpsClient client(kPort + thread % processes);
        for (std::size_t i = thread; i < hosts.size(); i += kThreads)
            hosts[i].id = keyscribe::testing::enrol_by_http(hosts[i].host, client, token);
    });
    std::printf("enrolments: %.0f a second\n", count / since(begin));
    begin = Clock::now();
    on_threads([&](unsigned thread) {
        HttpsClient client(kPort + thread % processes);
        for (std::size_t i = thread; i < hosts.size(); i += kThreads) visit(hosts[i], client);
    });
    std::printf("first visits, with the whole list: %.0f a second\n", count / since(begin));

    std::vector<std::vector<double>> taken(kThreads);
    const double cpu_before = cpu_of(verifiers);
    begin = Clock::now();
    on_threads([&](unsigned thread) {
        auto client = std::make_unique<HttpsClient>(kPort + thread % processes);
        for (std::size_t i = thread; since(begin) < seconds; i += kThreads) {
            const auto start = Clock::now();
            if (!kept) client = std::make_unique<HttpsClient>(kPort + thread % processes);
            visit(hosts[i % (hosts.size() / kThreads * kThreads)], *client);
            taken[thread].push_back(since(start));
        }
    });
    const double lasted = since(begin), cpu = cpu_of(verifiers) - cpu_before;
    std::vector<double> all;
    for (const auto& of : taken) all.insert(all.end(), of.begin(), of.end());
    std::ranges::sort(all);
    std::printf(
        "visits with nothing new, %s connections: %.0f a second, p50 %.1f ms, p99 %.1f ms\n",
        kept ? "kept" : "new", static_cast<double>(all.size()) / lasted, 1e3 * all[all.size() / 2],
        1e3 * all[all.size() * 99 / 100]);
    std::printf("CPU of the verifiers a visit: %.2f ms\n",
                1e3 * cpu / static_cast<double>(all.size()));
    for (VerifierProcess& verifier : verifiers) {
        std::ifstream status("/proc/" + std::to_string(verifier.id()) + "/status");
        for (std::string line; std::getline(status, line);)
            if (line.starts_with("VmHWM")) std::printf("%s\n", line.c_str());
        verifier.kill(SIGTERM);
    }
    std::filesystem::remove_all(folder);
    return 0;
}
