// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/operator_queries.h"

#include <soci/soci.h>

#include <set>

#include "controller/base/base64.h"
#include "controller/service/verifier/fingerprint.h"
#include "controller/service/verifier/host_ids.h"

namespace keyscribe::verifier {
namespace {

using nlohmann::json;

json or_null(std::int64_t time) { return time == 0 ? json() : json(time_text(time)); }

json trusted_keys(soci::session& session, const std::string& host) {
    json keys = json::array();
    std::string keyring, fingerprint, subject, issuer;
    long long since = 0;
    soci::statement select =
        (session.prepare << "select keyring, host_keys.fingerprint, subject, issuer, since from "
                            "host_keys join trusted_keys on trusted_keys.tenant = host_keys.tenant "
                            "and trusted_keys.fingerprint = host_keys.fingerprint where "
                            "host_keys.tenant = :tenant and host = :host and until = 0 order by "
                            "keyring, subject",
         soci::use(kTenant), soci::use(host), soci::into(keyring), soci::into(fingerprint),
         soci::into(subject), soci::into(issuer), soci::into(since));
    for (select.execute(); select.fetch();)
        keys.push_back({{"keyring", keyring},
                        {"fingerprint", fingerprint},
                        {"subject", subject},
                        {"issuer", issuer},
                        {"since", time_text(since)}});
    return keys;
}

/// Empty: there is none. Error: kAmbiguous. A name is the host's own word: of two hosts with one,
/// either may be meant.
Result<std::string> id_of(Database& database, const std::string& id_or_name) {
    std::vector<std::string> ids;
    const auto done = database.read([&](soci::session& session) -> Result<void> {
        std::string id;
        soci::statement select =
            (session.prepare << "select id from hosts where tenant = :tenant and (id = :id or name "
                                "= :name) order by case when id = :id2 then 0 else 1 end, id limit "
                                "5",
             soci::use(kTenant), soci::use(id_or_name), soci::use(id_or_name),
             soci::use(id_or_name), soci::into(id));
        for (select.execute(); select.fetch();) ids.push_back(id);
        return {};
    });
    if (!done) return std::unexpected(done.error());
    if (ids.empty()) return std::string();
    if (ids.size() == 1 || ids[0] == id_or_name) return ids[0];
    std::string all;
    for (const std::string& id : ids) all += (all.empty() ? "" : ", ") + id;
    return fail("several hosts have this name", kAmbiguous, "say which by its id: " + all);
}

json reasons(const appraise::Appraisal& appraisal) {
    json all = json::array();
    for (const appraise::Finding& finding : appraisal.findings)
        if (finding.weight != appraise::Weight::kNote && all.size() < 20)
            all.push_back({{"code", finding.code}, {"sentence", finding.sentence}});
    return all;
}

}  // namespace

json to_json(const HostRow& host) {
    return {{"id", host.id},
            {"name", host.name},
            {"group", host.group},
            {"verdict", host.verdict},
            {"since", time_text(host.verdict_since)},
            {"silent", host.silent},
            {"last_seen", or_null(host.last_seen)},
            {"deadline", time_text(host.deadline)},
            {"enrolled", time_text(host.enrolled)},
            {"accepted_by", host.accepted_by},
            {"ek", host.ek},
            {"attestation_key", host.ak},
            {"boot_id", host.boot_id},
            {"entries", host.entries},
            {"ima_entries", host.ima_entries},
            {"tpm",
             {{"resets", host.clock.resets},
              {"restarts", host.clock.restarts},
              {"clock", host.clock.clock}}},
            {"basis", host.basis},
            {"refused", host.refused}};
}

Result<json> list_hosts(Database& database, const HostFilter& filter) {
    json hosts = json::array();
    std::string last;
    bool more = false;
    const auto done = database.read([&](soci::session& session) -> Result<void> {
        HostRow row;
        long long since = 0, seen = 0, deadline = 0;
        int silent = 0;
        const int limit = filter.limit + 1;
        const std::string verdict = filter.verdict == "silent" ? "" : filter.verdict;
        const std::string only_silent = filter.verdict == "silent" ? "1" : "";
        const std::string only_heard = filter.heard ? "1" : "";
        std::string pattern = "%";
        for (const char letter : filter.name) {
            if (letter == '%' || letter == '_' || letter == '\\') pattern += '\\';
            pattern += letter;
        }
        pattern += '%';
        soci::statement select =
            (session.prepare
                 << "select id, name, grp, verdict, verdict_since, silent, last_seen, deadline "
                    "from hosts where tenant = :tenant and id > :after and (verdict = :verdict or "
                    ":any = '') and (grp = :grp or :any_group = '') and (silent = 1 or "
                    ":only_silent = '') and (silent = 0 or :only_heard = '') and name like "
                    ":pattern escape '\\' order by id limit "
                    ":limit",
             soci::use(kTenant), soci::use(filter.after), soci::use(verdict), soci::use(verdict),
             soci::use(filter.group), soci::use(filter.group), soci::use(only_silent),
             soci::use(only_heard), soci::use(pattern), soci::use(limit), soci::into(row.id),
             soci::into(row.name), soci::into(row.group), soci::into(row.verdict),
             soci::into(since), soci::into(silent), soci::into(seen), soci::into(deadline));
        for (select.execute(); select.fetch();) {
            more = hosts.size() == static_cast<std::size_t>(filter.limit);
            if (more) break;
            last = row.id;
            hosts.push_back({{"id", row.id},
                             {"name", row.name},
                             {"group", row.group},
                             {"verdict", row.verdict},
                             {"since", time_text(since)},
                             {"silent", silent != 0},
                             {"last_seen", or_null(seen)},
                             {"deadline", time_text(deadline)}});
        }
        return {};
    });
    if (!done) return std::unexpected(done.error());
    json all = {{"hosts", std::move(hosts)}};
    if (more) all["next"] = last;
    return all;
}

Result<json> show_host(Database& database, const std::string& id_or_name) {
    const auto id = id_of(database, id_or_name);
    if (!id) return std::unexpected(id.error());
    const auto host = find_host(database, *id);
    if (!host) return std::unexpected(host.error());
    if (!*host) return json();
    json shown = to_json(**host);
    const auto done = database.read([&](soci::session& session) -> Result<void> {
        std::string summary;
        long long taken = 0;
        session << "select summary, taken from snapshots where tenant = :tenant and host = :host",
            soci::use(kTenant), soci::use(*id), soci::into(summary), soci::into(taken);
        if (session.got_data()) {
            shown["appraisal"] = json::parse(summary, nullptr, false);
            shown["judged"] = time_text(taken);
        }
        shown["keys"] = trusted_keys(session, *id);
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return shown;
}

Result<json> count_hosts(Database& database) {
    json counts = {{"affirmed", 0}, {"contraindicated", 0}, {"none", 0}, {"silent", 0}};
    const auto done = database.read([&](soci::session& session) -> Result<void> {
        std::string verdict;
        long long count = 0;
        int silent = 0;
        soci::statement select =
            (session.prepare << "select verdict, silent, count(*) from hosts where tenant = "
                                ":tenant group by verdict, silent",
             soci::use(kTenant), soci::into(verdict), soci::into(silent), soci::into(count));
        for (select.execute(); select.fetch();) {
            const std::string name = silent != 0 ? "silent" : verdict;
            counts[name] = counts[name].get<long long>() + count;
        }
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return counts;
}

Result<json> read_changes(Database& database, const std::string& host, ChangeOrder order,
                          std::int64_t from, int limit) {
    json changes = json::array();
    const auto done = database.read([&](soci::session& session) -> Result<void> {
        const long long start = from;
        long long number = 0, at = 0;
        std::string id, name, kind, former, latter, detail;
        soci::indicator unnamed = soci::i_null;
        soci::statement select(session);
        select.exchange(soci::use(kTenant));
        if (!host.empty()) select.exchange(soci::use(host));
        select.exchange(soci::use(start));
        select.exchange(soci::use(limit));
        select.exchange(soci::into(number));
        select.exchange(soci::into(id));
        select.exchange(soci::into(name, unnamed));
        select.exchange(soci::into(at));
        select.exchange(soci::into(kind));
        select.exchange(soci::into(former));
        select.exchange(soci::into(latter));
        select.exchange(soci::into(detail));
        select.alloc();
        // Texts of their own: with an "or" in the place of the host, no database uses its index.
        select.prepare(std::string("select changes.number, host, hosts.name, at, kind, former, "
                                   "latter, detail from changes left join hosts on hosts.tenant = "
                                   "changes.tenant and hosts.id = host where changes.tenant = "
                                   ":tenant and ") +
                       (host.empty() ? "" : "host = :host and ") +
                       (order == ChangeOrder::kOldestFirst
                            ? "number > :from order by number limit :limit"
                            : "number < :from order by number desc limit :limit"));
        select.define_and_bind();
        for (select.execute(); select.fetch();)
            changes.push_back({{"number", number},
                               {"host", id},
                               {"name", unnamed == soci::i_ok ? name : ""},
                               {"time", time_text(at)},
                               {"kind", kind},
                               {"former", former},
                               {"latter", latter},
                               {"detail", json::parse(detail, nullptr, false)}});
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return changes;
}

Result<json> list_changes(Database& database, std::int64_t since, int limit,
                          const std::string& host) {
    auto changes = read_changes(database, host, ChangeOrder::kOldestFirst, since, limit);
    if (!changes) return changes;
    const std::int64_t next =
        changes->empty() ? since : changes->back()["number"].get<std::int64_t>();
    return json{{"changes", std::move(*changes)}, {"next", next}};
}

Result<json> try_references(Service& service, const std::vector<ReferenceFile>& files,
                            const std::vector<std::string>& without, std::int64_t at) {
    const std::set<std::string> gone(without.begin(), without.end());
    std::set<std::string> groups;
    for (const ReferenceFile& file : files) groups.insert(file.group);
    const auto there = service.references->files("");
    if (!there) return std::unexpected(there.error());
    for (const ReferenceFile& file : *there)
        if (gone.contains(file.id)) groups.insert(file.group);
    json all = json::array();
    for (const std::string& group : groups) {
        std::vector<ReferenceFile> candidate;
        for (const auto* of : {&*there, &files})
            for (const ReferenceFile& file : *of)
                if (file.group == group && !gone.contains(file.id)) candidate.push_back(file);
        const auto basis = make_basis(std::move(candidate), at);
        if (!basis) return std::unexpected(basis.error());
        const auto ids =
            host_ids(*service.database, "grp = :grp and generation > 0 order by id", group);
        if (!ids) return std::unexpected(ids.error());
        for (const std::string& id : *ids) {
            const auto trial = service.visits->try_basis(id, *basis);
            if (!trial) return std::unexpected(trial.error());
            if (!*trial) continue;
            const appraise::Verdict verdict = (*trial)->appraisal.verdict;
            const std::string latter(verdict == appraise::Verdict::kUnusable ? "none"
                                                                             : name_of(verdict));
            if (latter == (*trial)->host.verdict) continue;
            all.push_back({{"host", id},
                           {"name", (*trial)->host.name},
                           {"former", (*trial)->host.verdict},
                           {"latter", latter},
                           {"reasons", reasons((*trial)->appraisal)}});
        }
    }
    return all;
}

Result<json> export_host(Service& service, const std::string& id_or_name) {
    const auto id = id_of(*service.database, id_or_name);
    if (!id) return std::unexpected(id.error());
    const auto host = find_host(*service.database, *id);
    if (!host) return std::unexpected(host.error());
    if (!*host) return json();
    if ((*host)->list_bytes == 0)
        return fail("nothing is kept of what this host sent: it was last heard of " +
                        ((*host)->last_seen == 0 ? "never" : time_text((*host)->last_seen)),
                    kNothingKept,
                    "the lists of silent hosts are thrown away after [attest] keep_lists");
    const auto snapshot = load_snapshot(*service.database, **host);
    if (!snapshot) return std::unexpected(snapshot.error());
    if (!*snapshot) return fail("a visit came in between", *id, "ask again");
    const auto shell = evidence::decode((*snapshot)->shell);
    if (!shell) return std::unexpected(shell.error());
    const std::vector<std::uint8_t> whole =
        evidence::encode_cbor(whole_evidence(shell->evidence, (*snapshot)->list, (*host)->entries,
                                             (*snapshot)->ima, (*host)->ima_entries));
    auto references = service.references->files((*host)->group);
    if (!references) return std::unexpected(references.error());
    const auto basis = make_basis(std::move(*references), now());
    if (!basis) return std::unexpected(basis.error());
    json files = json::array();
    for (const ReferenceFile& file : basis->files) {
        json one = to_json(file);
        one["content"] = to_base64(file.content);
        files.push_back(std::move(one));
    }
    const auto nonce = from_base64url((*snapshot)->nonce);
    return json{{"format", "keyscribe-verifier-export"},
                {"version", 1},
                {"exported", time_text(now())},
                {"taken", time_text((*snapshot)->taken)},
                {"host", to_json(**host)},
                {"evidence", to_base64(whole)},
                {"nonce", nonce ? to_hex(*nonce) : ""},
                {"attestation_key", to_base64((*host)->ak_key)},
                {"references", std::move(files)},
                {"appraisal", json::parse((*snapshot)->summary, nullptr, false)}};
}

}  // namespace keyscribe::verifier
