// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/serve.h"

#include <fmt/format.h>
#include <signal.h>
#include <soci/soci.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include <cstdlib>
#include <filesystem>
#include <list>
#include <optional>
#include <thread>

#include "controller/service/verifier/host_routes.h"
#include "controller/service/verifier/operator_routes.h"
#include "controller/service/verifier/rounds.h"

namespace keyscribe::verifier {
namespace {

constexpr int kExConfig = 78;  // sysexits.h
constexpr std::chrono::seconds kDatabasePause{2};

/// SIGTERM and SIGINT, for sigwait() alone: before any thread starts.
sigset_t block_signals() {
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    return ends;
}

/// As many connections as the settings allow need as many file descriptors.
void raise_file_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Does `work` until the database is there for it. Nothing: it was told to end before that.
template <class Work>
auto once_there_is_a_database(const sigset_t& ends, const Work& work)
    -> std::optional<decltype(work())> {
    for (;;) {
        auto done = work();
        if (done || !is_of_store(done.error())) return done;
        spdlog::warn("{}; trying again", to_string(done.error()));
        ::sd_notify(0, "STATUS=waiting for the database");
        const timespec pause{.tv_sec = kDatabasePause.count()};
        if (::sigtimedwait(&ends, nullptr, &pause) > 0) return std::nullopt;
    }
}

/// What a round did, or why it could not.
template <class Value>
void tell(const char* what, const Result<Value>& done) {
    if (!done) spdlog::warn("{}: {}", what, to_string(done.error()));
}

int complain(const Error& error) {
    spdlog::error("{}", to_string(error));
    return kExConfig;
}

}  // namespace

std::vector<Route> all_routes(Service& service, const Server& server,
                              const WebhookCounters& webhook) {
    std::vector<Route> routes = host_routes(service);
    for (const auto& more : {operator_routes(service), metrics_routes(service, server, webhook)})
        routes.insert(routes.end(), more.begin(), more.end());
    return routes;
}

Result<std::string> first_tokens(Service& service) {
    const auto pin = pin_of(service.certificate);
    if (!pin) return std::unexpected(pin.error());
    std::string told;
    const auto done = service.database->write([&](soci::session& session) -> Result<void> {
        told.clear();
        // Of processes that start at once, all but one wait here, and then find its tokens.
        session << "update sequences set value = value where name = 'changes'";
        int there = 0;
        const long long time = now();
        session << "select count(*) from tokens where tenant = :tenant and role = 'operator' and "
                   "(expires = 0 or expires > :now)",
            soci::use(kTenant), soci::use(time), soci::into(there);
        if (there != 0) return {};
        const std::string admin = insert_token(session, {.role = "operator", .label = "first"});
        const std::string enrol =
            insert_token(session, {.role = "enrol", .group = "default", .label = "first"});
        told = fmt::format(
            "operator's token (it is shown this once):    {}\n"
            "enrolment token (keyscribe enrol --token):   {}.{}\n",
            admin, enrol, *pin);
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return told;
}

int serve(const Settings& settings, const MoreRoutes& more) {
    const sigset_t ends = block_signals();
    raise_file_limit();
    // tss2-mu writes to stderr on its own.
    ::setenv("TSS2_LOG", "all+none", 0);
    if (settings.store.url.starts_with("sqlite:")) {
        std::error_code code;
        std::filesystem::create_directories(settings.state_directory, code);
    }
    auto opened = once_there_is_a_database(ends, [&] { return Service::open(settings); });
    if (!opened) return 0;
    if (!*opened) return complain(opened->error());
    Service& service = ***opened;
    const auto tokens = once_there_is_a_database(ends, [&] { return first_tokens(service); });
    if (!tokens) return 0;
    if (!*tokens) return complain(tokens->error());
    if (!(*tokens)->empty()) {
        fmt::print("{}", **tokens);
        std::fflush(stdout);
    }
    Server server(service);
    WebhookCounters webhook;
    std::vector<Route> routes = all_routes(service, server, webhook);
    const auto further = once_there_is_a_database(ends, [&] { return more(service); });
    if (!further) return 0;
    if (!*further) return complain(further->error());
    routes.insert(routes.end(), (*further)->begin(), (*further)->end());
    server.set_routes(std::move(routes));
    const auto port = server.start();
    if (!port) return complain(port.error());
    const auto pin = pin_of(service.certificate);
    spdlog::info("serving on {} port {}, certificate's pin {}", settings.listen.address, *port,
                 pin.value_or("?"));
    ::sd_notify(0, "READY=1\nSTATUS=serving");

    using std::chrono::seconds;
    const Round silence(seconds(2), [&, was_up = true]() mutable {
        tell("silent hosts", mark_silent(service));
        if (service.database->is_up() == was_up) return;
        was_up = !was_up;
        ::sd_notify(0, was_up ? "STATUS=serving" : "STATUS=serving; the database is away");
    });
    const Round stale(seconds(1), [&] { tell("judging again", judge_stale(service)); });
    std::list<Round> senders;
    for (const std::string& url : settings.webhook.urls)
        senders.emplace_back(seconds(1),
                             [&] { tell("webhooks", send_outbox(service, url, webhook)); });
    const Round cleaner(seconds(3600), [&] { tell("cleaning up", clean_up(service)); });
    int signal = 0;
    ::sigwait(&ends, &signal);
    ::sd_notify(0, "STOPPING=1");
    server.stop();
    return 0;
}

}  // namespace keyscribe::verifier
