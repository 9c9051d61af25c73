// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/host_store.h"

#include <soci/soci.h>

#include "controller/base/base64.h"
#include "controller/service/verifier/compressed.h"

namespace keyscribe::verifier {
namespace {

const std::string kHostColumns =
    "select id, name, grp, ek, ak, ak_key, accepted_by, enrolled, revision, generation, verdict, "
    "verdict_since, silent, last_seen, deadline, reset_count, restart_count, clock, boot_id, "
    "entries, list_bytes, ima_entries, ima_bytes, fingerprint, basis, judge_again, last_nonce, "
    "refused, verdict_until, (select value from meta where meta.name = 'basis_epoch') from hosts "
    "where tenant = "
    ":tenant and ";

/// The numbers of a row as SOCI reads them.
struct Numbers {
    long long enrolled = 0, revision = 0, generation = 0, verdict_since = 0, last_seen = 0,
              deadline = 0, resets = 0, restarts = 0, clock = 0, entries = 0, list_bytes = 0,
              ima_entries = 0, ima_bytes = 0, judge_again = 0, refused = 0, verdict_until = 0,
              epoch = 0;
    int silent = 0;
};

Result<std::optional<HostRow>> find(Database& database, const char* where,
                                    const std::string& value) {
    std::optional<HostRow> found;
    const auto done = database.look([&](soci::session& session) -> Result<void> {
        HostRow row;
        Numbers n;
        std::string key;
        session << kHostColumns << where, soci::use(kTenant), soci::use(value), soci::into(row.id),
            soci::into(row.name), soci::into(row.group), soci::into(row.ek), soci::into(row.ak),
            soci::into(key), soci::into(row.accepted_by), soci::into(n.enrolled),
            soci::into(n.revision), soci::into(n.generation), soci::into(row.verdict),
            soci::into(n.verdict_since), soci::into(n.silent), soci::into(n.last_seen),
            soci::into(n.deadline), soci::into(n.resets), soci::into(n.restarts),
            soci::into(n.clock), soci::into(row.boot_id), soci::into(n.entries),
            soci::into(n.list_bytes), soci::into(n.ima_entries), soci::into(n.ima_bytes),
            soci::into(row.fingerprint), soci::into(row.basis), soci::into(n.judge_again),
            soci::into(row.last_nonce), soci::into(n.refused), soci::into(n.verdict_until),
            soci::into(n.epoch);
        if (!session.got_data()) return {};
        row.enrolled = n.enrolled, row.revision = n.revision, row.generation = n.generation;
        row.verdict_since = n.verdict_since, row.last_seen = n.last_seen;
        row.deadline = n.deadline, row.silent = n.silent != 0;
        row.clock = {static_cast<std::uint32_t>(n.resets), static_cast<std::uint32_t>(n.restarts),
                     static_cast<std::uint64_t>(n.clock)};
        row.entries = static_cast<std::uint64_t>(n.entries);
        row.list_bytes = static_cast<std::uint64_t>(n.list_bytes);
        row.ima_entries = static_cast<std::uint64_t>(n.ima_entries);
        row.ima_bytes = static_cast<std::uint64_t>(n.ima_bytes);
        row.judge_again = n.judge_again;
        row.verdict_until = n.verdict_until;
        row.refused = static_cast<std::uint64_t>(n.refused);
        row.epoch = n.epoch;
        auto der = from_base64(key);
        if (!der) return fail("the attestation key of host " + row.id + " is damaged", "database");
        row.ak_key = std::move(*der);
        found = std::move(row);
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return found;
}

Result<void> read_chunks(soci::session& session, const HostRow& host, const std::string& kind,
                         std::vector<std::uint8_t>& to) {
    const long long generation = host.generation;
    std::string data;
    soci::statement select =
        (session.prepare << "select data from list_chunks where tenant = :tenant and host = :host "
                            "and generation = :generation and kind = :kind order by number",
         soci::use(kTenant), soci::use(host.id), soci::use(generation), soci::use(kind),
         soci::into(data));
    for (select.execute(); select.fetch();)
        if (!decompress(data, to))
            return fail("the kept list of host " + host.id + " is damaged", "database");
    return {};
}

void write_chunk(soci::session& session, const HostRow& host, const std::string& kind, Bytes bytes,
                 std::uint64_t offset) {
    if (bytes.empty()) return;
    const std::string data = compressed(bytes);
    const long long generation = host.generation, number = static_cast<long long>(offset);
    session << "insert into list_chunks (tenant, host, generation, kind, number, data) values "
               "(:tenant, :host, :generation, :kind, :number, :data)",
        soci::use(kTenant), soci::use(host.id), soci::use(generation), soci::use(kind),
        soci::use(number), soci::use(data);
}

}  // namespace

Result<std::optional<HostRow>> find_host_by_ak(Database& database, const std::string& ak) {
    return find(database, "ak = :ak", ak);
}

Result<std::optional<HostRow>> find_host(Database& database, const std::string& id) {
    return find(database, "id = :id", id);
}

Result<std::optional<Snapshot>> load_snapshot(Database& database, const HostRow& host, Load load) {
    std::optional<Snapshot> found;
    if (host.generation == 0) return found;
    const auto done = database.read([&](soci::session& session) -> Result<void> {
        Snapshot snapshot;
        std::string shell, records;
        long long taken = 0;
        session << "select state, shell, nonce, taken, summary, records from snapshots where "
                   "tenant = :tenant and host = :host",
            soci::use(kTenant), soci::use(host.id), soci::into(snapshot.state), soci::into(shell),
            soci::into(snapshot.nonce), soci::into(taken), soci::into(snapshot.summary),
            soci::into(records);
        if (!session.got_data()) return {};
        snapshot.taken = taken;
        if (!decompress(shell, snapshot.shell) ||
            (load == Load::kRecords && !records.empty() && !decompress(records, snapshot.records)))
            return fail("the kept evidence of host " + host.id + " is damaged", "database");
        const bool whole = load == Load::kWhole;
        if (whole)
            if (auto read = read_chunks(session, host, "list", snapshot.list); !read) return read;
        if (host.ima_bytes != 0)
            if (auto read = read_chunks(session, host, "ima", snapshot.ima); !read) return read;
        // Another process wrote between the row and these: what was read is of two visits.
        if ((!whole || snapshot.list.size() == host.list_bytes) &&
            snapshot.ima.size() == host.ima_bytes)
            found = std::move(snapshot);
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return found;
}

bool replace_host(soci::session& session, const HostRow& former, const HostRow& next) {
    const long long revision = former.revision, generation = next.generation,
                    verdict_since = next.verdict_since, last_seen = next.last_seen,
                    deadline = next.deadline, resets = next.clock.resets,
                    restarts = next.clock.restarts,
                    clock = static_cast<long long>(next.clock.clock),
                    entries = static_cast<long long>(next.entries),
                    list_bytes = static_cast<long long>(next.list_bytes),
                    ima_entries = static_cast<long long>(next.ima_entries),
                    ima_bytes = static_cast<long long>(next.ima_bytes),
                    judge_again = next.judge_again, verdict_until = next.verdict_until;
    const int silent = next.silent ? 1 : 0;
    // The revision says that nobody wrote since: who read a clock that was earlier writes nothing.
    soci::statement update =
        (session.prepare
             << "update hosts set revision = revision + 1, generation = :generation, verdict = "
                ":verdict, verdict_since = :verdict_since, silent = :silent, last_seen = "
                ":last_seen, deadline = :deadline, reset_count = :resets, restart_count = "
                ":restarts, clock = :clock, boot_id = :boot_id, entries = :entries, list_bytes = "
                ":list_bytes, ima_entries = :ima_entries, ima_bytes = :ima_bytes, fingerprint = "
                ":fingerprint, basis = :basis, judge_again = :judge_again, last_nonce = "
                ":last_nonce, verdict_until = :verdict_until where tenant = :tenant and id = :id "
                "and revision = :revision and ak = "
                ":ak",
         soci::use(generation), soci::use(next.verdict), soci::use(verdict_since),
         soci::use(silent), soci::use(last_seen), soci::use(deadline), soci::use(resets),
         soci::use(restarts), soci::use(clock), soci::use(next.boot_id), soci::use(entries),
         soci::use(list_bytes), soci::use(ima_entries), soci::use(ima_bytes),
         soci::use(next.fingerprint), soci::use(next.basis), soci::use(judge_again),
         soci::use(next.last_nonce), soci::use(verdict_until), soci::use(kTenant),
         soci::use(former.id), soci::use(revision), soci::use(former.ak));
    update.execute(true);
    return update.get_affected_rows() == 1;
}

void write_snapshot(soci::session& session, const HostRow& former, const HostRow& next,
                    const Snapshot& snapshot, const ListPieces& added) {
    const std::string shell = compressed(snapshot.shell),
                      records =
                          snapshot.records.empty() ? std::string() : compressed(snapshot.records);
    const long long taken = snapshot.taken, generation = next.generation;
    session << "insert into snapshots (tenant, host, state, shell, nonce, taken, summary, records) "
               "values (:tenant, :host, :state, :shell, :nonce, :taken, :summary, :records) on "
               "conflict (tenant, host) do update set state = excluded.state, shell = "
               "excluded.shell, nonce = excluded.nonce, taken = excluded.taken, summary = "
               "excluded.summary, records = excluded.records",
        soci::use(kTenant), soci::use(next.id), soci::use(snapshot.state), soci::use(shell),
        soci::use(snapshot.nonce), soci::use(taken), soci::use(snapshot.summary),
        soci::use(records);
    const bool anew = next.generation != former.generation;
    if (anew)
        session << "delete from list_chunks where tenant = :tenant and host = :host and generation "
                   "<> :generation",
            soci::use(kTenant), soci::use(next.id), soci::use(generation);
    write_chunk(session, next, "list", added.list, anew ? 0 : former.list_bytes);
    write_chunk(session, next, "ima", added.ima, anew ? 0 : former.ima_bytes);
}

void write_summary(soci::session& session, const std::string& host, const std::string& summary) {
    session << "update snapshots set summary = :summary where tenant = :tenant and host = :host",
        soci::use(summary), soci::use(kTenant), soci::use(host);
}

Result<void> count_refusal(Database& database, const std::string& id) {
    return database.write([&](soci::session& session) -> Result<void> {
        session << "update hosts set refused = refused + 1 where tenant = :tenant and id = :id",
            soci::use(kTenant), soci::use(id);
        return {};
    });
}

Result<bool> remove_host(Database& database, const ChangeLog& changes, const std::string& id,
                         const std::string& who) {
    bool removed = false;
    const auto done = database.write([&](soci::session& session) -> Result<void> {
        std::string name;
        session << "select name from hosts where tenant = :tenant and id = :id", soci::use(kTenant),
            soci::use(id), soci::into(name);
        removed = session.got_data();
        if (!removed) return {};
        session << "delete from hosts where tenant = :tenant and id = :id", soci::use(kTenant),
            soci::use(id);
        for (const char* table : {"snapshots", "list_chunks", "host_keys", "enrolments"})
            session << "delete from " << table << " where tenant = :tenant and host = :host",
                soci::use(kTenant), soci::use(id);
        changes.add(session,
                    {.host = id, .name = name, .kind = "removed", .detail = {{"by", who}}});
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return removed;
}

}  // namespace keyscribe::verifier
