// SPDX-License-Identifier: Apache-2.0
// The daemon: attaches the programs, then carries what they record from the ring to the spool,
// while a second thread measures what is in the spool and others answer the control socket.
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "controller/base/log.h"
#include "controller/host/capture/capture.h"
#include "controller/host/capture/lockdown.h"
#include "controller/host/control/routes.h"
#include "controller/host/control/server.h"
#include "controller/host/daemon/capture_loop.h"
#include "controller/host/daemon/daemon_identity.h"
#include "controller/host/daemon/main_thread.h"
#include "controller/host/daemon/policy_activation.h"
#include "controller/host/daemon/run_directory.h"
#include "controller/host/daemon/security.h"
#include "controller/host/daemon/snapshot.h"
#include "controller/host/daemon/stored_files.h"
#include "controller/host/measure/former_list.h"
#include "controller/host/measure/list_writer.h"
#include "controller/host/measure/recorder.h"
#include "controller/host/measure/restore_key_table.h"
#include "controller/host/measure/take_over_spool.h"
#include "controller/host/settings/config.h"
#include "controller/host/spool/spool.h"
#include "controller/host/status/status.h"

namespace keyscribe::daemon {
namespace {

using namespace std::chrono_literals;

/// Starting takes megabytes for a moment: the kernel's type information, the executable's digest.
/// One heap for all threads, and what is large apart from it, so that all of that goes back.
void keep_heap_small() {
    ::mallopt(M_ARENA_MAX, 1);
    ::mallopt(M_MMAP_THRESHOLD, 64 << 10);
    ::mallopt(M_TRIM_THRESHOLD, 128 << 10);
}

/// Dynamic linking and starting touched most of every library's pages, and the kernel maps those
/// around them too. Dropping the clean ones leaves resident what the idle daemon really uses: the
/// rest comes back from the page cache when it is needed.
void give_back_startup_pages() {
    ::malloc_trim(0);
    const auto drop = [](dl_phdr_info* library, std::size_t, void*) {
        const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
        for (int i = 0; i < library->dlpi_phnum; ++i) {
            const auto& segment = library->dlpi_phdr[i];
            if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
            const std::uintptr_t start = (library->dlpi_addr + segment.p_vaddr) & ~(page - 1);
            const std::uintptr_t end = library->dlpi_addr + segment.p_vaddr + segment.p_memsz;
            ::madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED);
        }
        return 0;
    };
    ::dl_iterate_phdr(drop, nullptr);
}

/// Blocked in every thread and read from a descriptor instead.
Result<UniqueFd> take_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd) return fail_errno("cannot wait for signals", "signalfd(2)");
    return fd;
}

int next_signal(const UniqueFd& signals) {
    signalfd_siginfo info{};
    return ::read(signals.get(), &info, sizeof(info)) == sizeof(info)
               ? static_cast<int>(info.ssi_signo)
               : 0;
}

/// Somebody removed the folder of list, spool and socket: it comes back, and the socket with it.
/// Spool and list put back what is theirs.
void look_after(RunDirectory& directory, const std::function<Result<void>()>& serve,
                CaptureLoop& capture_loop) {
    const auto restored = directory.restore();
    if (restored && !*restored) return;
    auto done = restored ? serve() : std::unexpected(restored.error());
    if (restored)
        capture_loop.report_interference("the folder of the list was removed, and is made anew");
    if (!done) spdlog::error("{}", to_string(done.error()));
}

/// Once a second: what has no event of its own.
void tick(CaptureLoop& capture_loop, PolicyActivation& policies, spool::Spool& spool,
          status::SharedStatus& status) {
    spool.expire();
    capture_loop.look_at_counters();
    policies.look_at_directory();
    status.update([&](status::Status& now) { now.spool = spool.totals(); });
    sd_notifyf(0, "WATCHDOG=1\nSTATUS=%s", status::summary(status.copy()).c_str());
}

Result<void> loop(CaptureLoop& capture_loop, PolicyActivation& policies, spool::Spool& spool,
                  status::SharedStatus& status, MainThread& requests, const UniqueFd& signals,
                  const std::function<void()>& look_after_files) {
    // While records keep coming the ring is looked at every few milliseconds, instead of being
    // woken for each: that is cheaper for whoever adds the keys.
    constexpr auto kNap = 5ms;
    constexpr auto kTick = 1s;
    constexpr auto kStandstill = 5s;
    constexpr int kLastRounds = 64;  // a full ring, not what a flood adds meanwhile
    auto next_tick = std::chrono::steady_clock::now();
    auto before = std::chrono::steady_clock::now();
    auto found = Drained::kNothing;
    for (;;) {
        const auto now = std::chrono::steady_clock::now();
        if (now - before > kStandstill)
            spool.push(spool::Detached{"the daemon stood still for " +
                                       std::to_string((now - before) / 1s) + " seconds"});
        before = now;
        if (now >= next_tick) {
            look_after_files();
            tick(capture_loop, policies, spool, status);
            next_tick = now + kTick;
        }
        const auto wake_at = std::min(next_tick, capture_loop.refresh_due().value_or(next_tick));
        const auto until_next =
            std::max(0ms, std::chrono::duration_cast<std::chrono::milliseconds>(wake_at - now)) +
            1ms;
        const auto pause = found == Drained::kSome  ? 0ms
                           : found == Drained::kAll ? kNap
                                                    : until_next;
        std::array<pollfd, 3> polls = {
            pollfd{found == Drained::kNothing ? capture_loop.ring_fd() : -1, POLLIN, 0},
            pollfd{signals.get(), POLLIN, 0}, pollfd{requests.fd(), POLLIN, 0}};
        ::poll(polls.data(), polls.size(), static_cast<int>(pause.count()));

        auto moved = capture_loop.drain();
        if (!moved) return std::unexpected(moved.error());
        found = *moved;
        if (found != Drained::kSome)
            if (auto done = capture_loop.refresh_baseline(); !done)
                spdlog::warn("{}", to_string(done.error()));
        if (polls[2].revents != 0) requests.work();
        if (polls[1].revents != 0) {
            const int signal = next_signal(signals);
            if (signal == SIGHUP) {
                (void)policies.reload();  // it has told why where it could not
            } else if (signal != 0) {
                for (int round = 0; round < kLastRounds && found == Drained::kSome; ++round) {
                    auto last = capture_loop.drain();
                    if (!last) return std::unexpected(last.error());
                    found = *last;
                }
                return {};
            }
        }
    }
}

struct Hooks {
    capture::KernelFeatures kernel;
    capture::HookPlan plan;
};

/// Error: what only another kernel has.
Result<Hooks> choose_hooks(const settings::Config& config) {
    auto kernel = capture::probe_kernel();
    if (!kernel) return std::unexpected(kernel.error());
    auto plan = capture::plan_hooks(*kernel, config.capture.hook);
    if (!plan) return std::unexpected(plan.error());
    return Hooks{std::move(*kernel), std::move(*plan)};
}

/// What the file says, if it can be used, on a kernel that it can be used with.
Result<settings::Config> accept_config(const std::filesystem::path& file) {
    auto config = settings::load_config(file);
    if (!config) return config;
    init_log(config->log.level, "keyscribed");
    if (auto done = tpm::check_pcr(config->tpm.pcr, config->tpm.force_resettable_pcr); !done)
        return std::unexpected(done.error());
    if (auto level = capture::check_lockdown(); !level) return std::unexpected(level.error());
    return config;
}

Result<void> run(const settings::Config& config, Hooks& hooks) {
    if (auto done = harden_process(); !done) return done;
    ::umask(0027);
    auto directory = RunDirectory::open(config.list.directory);
    if (!directory) return std::unexpected(directory.error());
    StoredFiles stored_files(config.list.directory);
    if (auto done = stored_files.put_back(); !done) return done;
    auto signals = take_signals();
    if (!signals) return std::unexpected(signals.error());

    if (auto done = measure::ListFiles::choose_text(
            config.list.directory, config.list.text,
            measure::share_of_file_system(config.list.directory, config.list.max_share));
        !done)
        return std::unexpected(done.error());
    spool::Spool spool(config.spool.max_size, config.spool.deadline, config.list.user_budget);
    const auto list_size = measure::take_over_spool(spool, config.list.directory);
    const auto keep = [&spool](std::vector<events::KeyEvent> events) {
        spool.push(std::move(events));
        spool.flush();
        return spool.progress();
    };
    auto programs = capture::Capture::attach(hooks.plan, *hooks.kernel.types,
                                             config.capture.ring_size, spool.progress(), keep);
    hooks.kernel.types.reset();
    if (!programs) return std::unexpected(programs.error());
    if (auto done = drop_capabilities(); !done) return done;
    const auto& [kernel, plan] = hooks;
    const bool adopted = programs->is_adopted();

    status::SharedStatus status;
    status.update([&](status::Status& now) {
        now = initial_status(kernel, plan, config.tpm.pcr);
        now.spool = spool.totals();
    });
    KnownKeyrings known;
    for (const events::KeyringName& keyring : measure::told_keyrings_in(config.list.directory))
        known.add(keyring);
    CaptureLoop capture_loop(std::move(*programs), spool, status, std::move(known));
    PolicyActivation policies(capture_loop, config, spool, status);
    (void)policies.reload();  // it has told why where it could not
    if (auto done = capture_loop.detach_previous_build(); !done) return done;

    MainThread requests;
    std::unique_ptr<control::Server> server;
    const auto serve = [&]() -> Result<void> {
        auto started = control::Server::start(
            config.control.socket, config.control.group,
            control::routes(
                [&] { return take_snapshot(capture_loop, spool, status); },
                [&] { return requests.ask<status::Reloaded>([&] { return policies.reload(); }); },
                [&](std::vector<std::uint8_t> nonce) {
                    return requests.ask<void>(
                        [&, nonce = std::move(nonce)] { return capture_loop.prove_alive(nonce); });
                }));
        if (!started) return std::unexpected(started.error());
        server = std::move(*started);
        return {};
    };
    if (auto done = serve(); !done) return done;
    log_event(LogLevel::kInfo, (adopted ? "adopted: " : "attached: ") + plan.front().attach_point,
              {{"KEYSCRIBE_STATE", "capturing"}, {"KEYSCRIBE_HOOK", plan.front().attach_point}});
    give_back_startup_pages();
    sd_notify(0, "READY=1");
    // Not before: it reads and hashes this executable, which whoever waits for capture need not
    // wait for.
    std::jthread recorder([&](std::stop_token stop) {
        measure::run_recorder(
            {config, spool, status, describe_daemon(hooks.kernel, hooks.plan), list_size},
            std::move(stop));
    });

    auto ended = loop(capture_loop, policies, spool, status, requests, *signals, [&] {
        look_after(*directory, serve, capture_loop);
        stored_files.look_after();
    });
    sd_notify(0, "STOPPING=1");
    requests.stop();
    if (measure::is_kexec_loaded() && !config.list.former.empty()) {
        recorder = {};  // what it still writes belongs to the list
        if (auto kept = measure::keep_list(config.list.directory, config.list.former); !kept)
            spdlog::warn("the list is not kept over the kexec: {}", to_string(kept.error()));
    }
    if (ended && config.capture.detach_on_stop) return capture_loop.detach();
    return ended;
}

}  // namespace
}  // namespace keyscribe::daemon

int main(int argc, char** argv) {
    std::filesystem::path file = keyscribe::settings::kConfigFile;
    for (int i = 1; i < argc; ++i) {
        const std::string_view option = argv[i];
        if (option == "--version") {
            std::puts("keyscribed " KEYSCRIBE_VERSION);
            return std::fflush(stdout) == 0 ? 0 : 2;
        }
        if (option == "--config" && i + 1 < argc) {
            file = argv[++i];
        } else {
            std::fputs("usage: keyscribed [--config FILE] [--version]\n", stderr);
            return 2;
        }
    }
    keyscribe::daemon::keep_heap_small();
    const auto config = keyscribe::daemon::accept_config(file);
    auto hooks =
        config ? keyscribe::daemon::choose_hooks(*config) : std::unexpected(config.error());
    const keyscribe::Result<void> ended =
        hooks ? keyscribe::daemon::run(*config, *hooks) : std::unexpected(hooks.error());
    if (ended) return 0;
    const std::string why = to_string(ended.error());
    spdlog::error("{}", why);
    sd_notifyf(0, "STATUS=%s", why.c_str());
    // The service is not started again with a configuration, or on a kernel, that is refused.
    return hooks ? EXIT_FAILURE : EX_CONFIG;
}
