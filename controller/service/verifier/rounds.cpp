// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/rounds.h"

#include <soci/soci.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <span>

#include "controller/service/verifier/host_ids.h"
#include "controller/service/verifier/retention.h"
#include "controller/service/verifier/sessions.h"
#include "controller/service/verifier/webhook.h"

namespace keyscribe::verifier {
namespace {

constexpr int kAtOnce = 500;
constexpr long long kBetweenNotes = 10;  // seconds: each is a commit, by one of the processes
constexpr long long kAbsence = 60;       // seconds without a note: nobody looked

/// Whether deadlines do not count now. While no process ran, or the database was away, no host
/// could be heard of: without this all of them would be told silent at the first look. They get the
/// time back that they could not use, at most that of `silent_after`.
Result<bool> deadlines_wait(Service& service, long long time) {
    long long looked_at = 0, wait_until = 0;
    const auto read = [&](soci::session& session) -> Result<void> {
        session << "select value from meta where name = 'deadlines_looked_at'",
            soci::into(looked_at);
        session << "select value from meta where name = 'deadlines_wait_until'",
            soci::into(wait_until);
        return {};
    };
    // A clock that was wrong for a while must not have them wait until then.
    const long long longest = service.settings.attest.silent_after;
    const auto wait = [&] { return time < wait_until && wait_until <= time + longest; };
    if (auto done = service.database->read(read); !done) return std::unexpected(done.error());
    if (std::abs(time - looked_at) < kBetweenNotes) return wait();
    const auto done = service.database->write([&](soci::session& session) -> Result<void> {
        // Who writes first keeps the others out until it commits: they then find its note.
        session << "update meta set value = value where name = 'deadlines_looked_at'";
        if (auto again = read(session); !again) return again;
        const long long absence = looked_at == 0 ? 0 : time - looked_at;
        session << "update meta set value = :now where name = 'deadlines_looked_at'",
            soci::use(time);
        if (absence <= kAbsence) return {};
        wait_until = time + std::min(absence, longest);
        session << "update meta set value = :until where name = 'deadlines_wait_until'",
            soci::use(wait_until);
        spdlog::warn("nobody looked for silent hosts for {} s: none is told for {} s", absence,
                     wait_until - time);
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return wait();
}

/// On as many threads as there are CPUs, and some hosts in a transaction: each commit waits for the
/// disk.
Result<int> judge_all(Service& service, std::span<const std::string> hosts) {
    constexpr std::size_t kInTransaction = 25;
    std::atomic<std::size_t> taken = 0;
    std::mutex mutex;
    Result<int> judged = 0;
    const auto work = [&] {
        for (;;) {
            const std::size_t from = taken.fetch_add(kInTransaction);
            if (from >= hosts.size()) return;
            const auto done = service.visits->judge_again(
                hosts.subspan(from, std::min(kInTransaction, hosts.size() - from)));
            const std::lock_guard lock(mutex);
            if (!done) taken = hosts.size();
            if (!done)
                judged = std::unexpected(done.error());
            else if (judged)
                *judged += *done;
        }
    };
    std::vector<std::jthread> threads;
    for (unsigned i = 1; i < std::thread::hardware_concurrency(); ++i) threads.emplace_back(work);
    work();
    threads.clear();
    return judged;
}

}  // namespace

Result<int> mark_silent(Service& service) {
    int marked = 0;
    const auto wait = deadlines_wait(service, now());
    if (!wait) return std::unexpected(wait.error());
    if (*wait) return marked;
    for (;;) {
        const long long time = now();
        const auto late =
            host_ids(*service.database, "silent = 0 and deadline < :now limit 500", time);
        if (!late) return std::unexpected(late.error());
        for (const std::string& id : *late) {
            const auto done = service.database->write([&](soci::session& session) -> Result<void> {
                soci::statement update =
                    (session.prepare << "update hosts set silent = 1, revision = revision + 1 "
                                        "where tenant = :tenant and id = :id and silent = 0 and "
                                        "deadline < :now",
                     soci::use(kTenant), soci::use(id), soci::use(time));
                update.execute(true);
                if (update.get_affected_rows() != 1) return {};
                std::string name, verdict;
                long long seen = 0;
                session << "select name, verdict, last_seen from hosts where tenant = :tenant and "
                           "id = :id",
                    soci::use(kTenant), soci::use(id), soci::into(name), soci::into(verdict),
                    soci::into(seen);
                service.changes->add(
                    session, {.host = id,
                              .name = name,
                              .kind = "silent",
                              .former = verdict,
                              .latter = "silent",
                              .detail = {{"last_seen", seen == 0 ? "never" : time_text(seen)}}});
                ++marked;
                return {};
            });
            if (!done) return std::unexpected(done.error());
        }
        if (late->size() < kAtOnce) return marked;
    }
}

Result<int> judge_stale(Service& service) {
    int judged = 0;
    const auto groups = service.references->groups();
    if (!groups) return std::unexpected(groups.error());
    const auto epoch = service.references->epoch();
    if (!epoch) return std::unexpected(epoch.error());
    for (const std::string& group : *groups) {
        const auto basis = service.references->basis(group, *epoch, now());
        if (!basis && is_of_store(basis.error())) return std::unexpected(basis.error());
        if (!basis) {
            spdlog::error("group {}: {}", group, to_string(basis.error()));
            continue;
        }
        for (;;) {
            const auto stale = host_ids(
                *service.database, "grp = :grp and basis <> :basis and list_bytes > 0 limit 500",
                group, (*basis)->id);
            if (!stale) return std::unexpected(stale.error());
            const auto done = judge_all(service, *stale);
            if (!done && is_of_store(done.error())) return std::unexpected(done.error());
            if (!done) spdlog::error("group {}: {}", group, to_string(done.error()));
            judged += done.value_or(0);
            // None of them could be: they wait for a visit.
            if (stale->size() < kAtOnce || done.value_or(0) == 0) break;
        }
    }
    for (;;) {
        // Those whose verdict may be another by now, by the clock alone.
        const long long time = now();
        const auto past = host_ids(*service.database,
                                   "verdict_until <= :time and list_bytes > 0 limit 500", time);
        if (!past) return std::unexpected(past.error());
        const auto done = judge_all(service, *past);
        if (!done) return std::unexpected(done.error());
        judged += *done;
        if (past->size() < kAtOnce || *done == 0) break;
    }
    return judged;
}

Result<void> clean_up(Service& service) {
    const auto swept = service.enrolments->sweep();
    if (!swept) return swept;
    if (auto done = sweep_sessions(*service.database); !done) return done;
    if (auto done = drop_abandoned(service); !done) return done;
    if (const auto done = drop_old_lists(service); !done) return std::unexpected(done.error());
    return service.database->write([&](soci::session& session) -> Result<void> {
        const long long before = now() - INT64_C(86400) * service.settings.attest.keep_changes;
        session << "delete from changes where tenant = :tenant and at < :before",
            soci::use(kTenant), soci::use(before);
        session << "delete from host_keys where tenant = :tenant and until <> 0 and until < "
                   ":before",
            soci::use(kTenant), soci::use(before);
        return {};
    });
}

Round::Round(std::chrono::seconds pause, std::function<void()> work)
    : thread_([this, pause, work = std::move(work)] {
          std::unique_lock lock(mutex_);
          while (!end_) {
              lock.unlock();
              work();
              lock.lock();
              ended_.wait_for(lock, pause, [this] { return end_; });
          }
      }) {}

Round::~Round() {
    {
        const std::lock_guard lock(mutex_);
        end_ = true;
    }
    ended_.notify_all();
}

}  // namespace keyscribe::verifier
