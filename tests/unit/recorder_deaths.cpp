// SPDX-License-Identifier: Apache-2.0
// recorder-deaths TCTI DIRECTORY POINT DEATHS [SEED]: the recorder and its spool, with events that
// nobody captured, in a process that is killed DEATHS times at the fault point POINT ("random": at
// any moment), each time a few events later, and begins again. In the end all are measured: events
// 1 to N, whose payload is their number. Prints N, and how often it was killed. For crash_test.cpp.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>

#include "controller/base/fault_point.h"
#include "controller/host/measure/recorder.h"
#include "controller/host/measure/take_over_spool.h"
#include "controller/host/settings/policy_loader.h"

namespace keyscribe {
namespace {

using namespace std::chrono_literals;

/// A death each at the latest.
constexpr std::uint64_t kEventsBetween = 12;
/// Stands for the kernel's ring: what the spool's file has of it is not sent again.
constexpr std::uint32_t kRing = 1;

events::KeyEvent event(std::uint64_t number) {
    events::KeyEvent event;
    event.sequence = event.ring_position = number;
    event.ring = kRing;
    event.key_type = "asymmetric";
    event.keyring = {1, "ring"};
    const std::string payload = std::to_string(number);
    event.payload.assign(payload.begin(), payload.end());
    event.payload_length = static_cast<std::uint32_t>(payload.size());
    return event;
}

/// As keyscribed does: until `target` events are measured.
void record(const settings::Config& config, std::uint64_t target, unsigned batch) {
    spool::Spool spool(config.spool.max_size, config.spool.deadline);
    const auto list_size = measure::take_over_spool(spool, config.list.directory);
    auto loaded = settings::policy_of({{"10.policy", "measure func=KEY_CHECK\n"}});
    if (!loaded) std::abort();
    spool.push(
        spool::PolicyChange{std::make_shared<const settings::LoadedPolicy>(std::move(*loaded)), 1});
    status::SharedStatus status;
    std::jthread recorder([&](std::stop_token stop) {
        measure::run_recorder({config,
                               spool,
                               status,
                               {.version = "test",
                                .controller_digest = std::vector<std::uint8_t>(32),
                                .bpf_digest = std::vector<std::uint8_t>(32)},
                               list_size},
                              std::move(stop));
    });
    const auto progress = spool.progress();
    for (std::uint64_t number = progress.ring == kRing ? progress.position + 1 : 1;
         number <= target; ++number) {
        spool.push(event(number));
        if (number % batch != 0 && number != target) continue;
        base::fault_point("before-spool-write");
        spool.flush();
        base::fault_point("after-spool-write");
    }
    while (!spool.is_settled() || !status.copy().recorder_settled)
        std::this_thread::sleep_for(100us);
}

int run(const std::string& tcti, const std::filesystem::path& directory, const std::string& point,
        unsigned deaths, unsigned seed) {
    settings::Config config;
    config.tpm.tcti = tcti;
    config.list.directory = directory / "list";
    config.journal.enabled = false;
    const auto faults = directory / "faults";
    std::filesystem::create_directories(config.list.directory);
    std::filesystem::create_directories(faults);
    ::setenv("KEYSCRIBE_FAULTS", faults.c_str(), 1);
    const bool at_random = point == "random";
    std::mt19937 random(seed);
    std::uint64_t target = 0;
    unsigned killed = 0, lives = 0;
    for (bool last = false; !last;) {
        last = killed == deaths;
        target += kEventsBetween;
        if (!last && !at_random) std::ofstream(faults / "fault") << point << ' ' << random() % 3;
        const unsigned batch = 1 + random() % 5;
        const pid_t child = ::fork();
        if (child == 0) {
            record(config, target, batch);
            ::_exit(0);
        }
        if (!last && at_random) {
            std::this_thread::sleep_for(std::chrono::microseconds(random() % 30000));
            ::kill(child, SIGKILL);
        }
        int outcome = 0;
        if (child < 0 || ::waitpid(child, &outcome, 0) != child) return 2;
        if (!WIFSIGNALED(outcome) && WEXITSTATUS(outcome) != 0) return 3;
        if (WIFSIGNALED(outcome) && WTERMSIG(outcome) != SIGKILL) return 4;
        killed += WIFSIGNALED(outcome) ? 1 : 0;
        std::filesystem::remove(faults / "fault");
        // A point that is never passed is a mistake of the test's.
        if (++lives > 10 * deaths + 10) return 5;
    }
    std::printf("%llu %u\n", static_cast<unsigned long long>(target), killed);
    return 0;
}

}  // namespace
}  // namespace keyscribe

int main(int argc, char** argv) {
    if (argc < 5) return 1;
    return keyscribe::run(argv[1], argv[2], argv[3],
                          static_cast<unsigned>(std::strtoul(argv[4], nullptr, 10)),
                          argc > 5 ? static_cast<unsigned>(std::strtoul(argv[5], nullptr, 10)) : 1);
}
