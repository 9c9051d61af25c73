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
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <thread>

#include "controller/base/base64.h"
#include "tests/support/databases.h"
#include "tests/support/fleet_host.h"
#include "tests/support/https_client.h"

namespace {

using keyscribe::testing::FleetHost;
using keyscribe::testing::HttpsClient;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr const char* kType = "application/vnd.keyscribe.evidence+cbor";
constexpr unsigned kPort = 18600;
constexpr unsigned kThreads = 8;

std::vector<std::uint8_t> from_base64url(std::string text) {
    std::ranges::replace(text, '-', '+');
    std::ranges::replace(text, '_', '/');
    while (text.size() % 4 != 0) text += '=';
    return *keyscribe::from_base64(text);
}

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "fleet-load: %s\n", what.c_str());
    std::exit(1);
}

/// A verifier's process and what it printed.
struct Verifier {
    pid_t process = 0;
    std::filesystem::path output;
};

Verifier start(const std::string& program, const std::filesystem::path& folder, unsigned number,
               const std::string& url) {
    const auto settings = folder / (std::to_string(number) + ".toml");
    std::ofstream(settings) << "[store]\nurl = \"" << url
                            << "\"\n[listen]\nport = " << kPort + number
                            << "\n[limits]\nconnections_for_address = 12000\n[enrol]\n"
                               "known_by_token = true\n";
    Verifier made{.output = folder / (std::to_string(number) + ".out")};
    made.process = ::fork();
    if (made.process == 0) {
        if (std::freopen(made.output.c_str(), "w", stdout) == nullptr) ::_exit(1);
        ::setenv("STATE_DIRECTORY", folder.c_str(), 1);
        ::execl(program.c_str(), program.c_str(), "--config", settings.c_str(), nullptr);
        ::_exit(127);
    }
    for (;;) {
        try {
            if (HttpsClient(kPort + number).send("GET", "/healthz").status == 200) return made;
        } catch (const std::exception&) {
            if (::waitpid(made.process, nullptr, WNOHANG) != 0) fail("the verifier ended");
        }
    }
}

std::string enrolment_token(const std::filesystem::path& output) {
    std::ifstream file(output);
    std::string line, token;
    while (std::getline(file, line))
        if (line.starts_with("enrolment")) token = line.substr(line.rfind(' ') + 1);
    return token.substr(0, token.find('.'));
}

struct Simulated {
    FleetHost host;
    std::string id;
    std::uint64_t since = 0;
};

void enrol(Simulated& one, HttpsClient& client, const std::string& token) {
    const auto begun = client.send("POST", "/v1/enrolments", one.host.enrolment(token).dump());
    if (begun.status != 201) fail(begun.body);
    const json answer = json::parse(begun.body);
    const auto done = client.send("POST", begun.fields.at("location") + "/activation",
                                  one.host.activation(answer).dump());
    if (done.status != 200) fail(done.body);
    one.id = json::parse(done.body)["host"];
}

void visit(Simulated& one, HttpsClient& client) {
    const auto session = client.send("POST", "/challenge-response/v1/newSession?host=" + one.id);
    if (session.status != 201) fail(session.body);
    const json answer = json::parse(session.body);
    const auto nonce = from_base64url(answer["nonce"]);
    const std::uint64_t since =
        answer.contains("keyscribe") ? answer["keyscribe"]["since"].get<std::uint64_t>() : 0;
    const auto evidence = one.host.evidence(nonce, since);
    const auto done = client.send("POST", session.fields.at("location"),
                                  std::string(evidence.begin(), evidence.end()), kType);
    if (done.status != 200) fail(done.body);
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
double cpu_of(const std::vector<Verifier>& verifiers) {
    double ticks = 0;
    for (const Verifier& verifier : verifiers) {
        std::ifstream file("/proc/" + std::to_string(verifier.process) + "/stat");
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
    std::vector<Verifier> verifiers;
    for (unsigned i = 0; i < processes; ++i) verifiers.push_back(start(argv[1], folder, i, url));
    const std::string token = enrolment_token(verifiers[0].output);

    std::deque<Simulated> hosts;
    for (unsigned i = 0; i < count; ++i) {
        hosts.push_back({.host = FleetHost("host-" + std::to_string(i), true)});
        hosts.back().host.host.good();
    }
    auto begin = Clock::now();
    on_threads([&](unsigned thread) {
        HttpsClient client(kPort + thread % processes);
        for (std::size_t i = thread; i < hosts.size(); i += kThreads)
            enrol(hosts[i], client, token);
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
    for (const Verifier& verifier : verifiers) {
        std::ifstream status("/proc/" + std::to_string(verifier.process) + "/status");
        for (std::string line; std::getline(status, line);)
            if (line.starts_with("VmHWM")) std::printf("%s\n", line.c_str());
        ::kill(verifier.process, SIGTERM);
        ::waitpid(verifier.process, nullptr, 0);
    }
    std::filesystem::remove_all(folder);
    return 0;
}
