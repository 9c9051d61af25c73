// SPDX-License-Identifier: Apache-2.0
#include "controller/service/web/queries.h"

#include <soci/soci.h>

#include <map>

#include "controller/service/verifier/operator_queries.h"

namespace keyscribe::web {

using nlohmann::json;
using verifier::Database;
using verifier::kTenant;
using verifier::time_text;

Result<json> latest_changes(Database& database, const std::string& host, std::int64_t before,
                            int limit) {
    auto changes = verifier::read_changes(database, host, verifier::ChangeOrder::kNewestFirst,
                                          before > 0 ? before : INT64_MAX, limit + 1);
    if (!changes) return changes;
    const bool more = changes->size() > static_cast<std::size_t>(limit);
    if (more) changes->erase(changes->size() - 1);
    json all = {{"changes", std::move(*changes)}};
    if (more) all["next"] = all["changes"].back()["number"];
    return all;
}

Result<json> count_groups(Database& database) {
    std::map<std::string, json> groups;
    const auto done = database.read([&](soci::session& session) -> Result<void> {
        std::string group, verdict;
        long long count = 0;
        int silent = 0;
        soci::statement select =
            (session.prepare << "select grp, verdict, silent, count(*) from hosts where tenant = "
                                ":tenant group by grp, verdict, silent order by grp limit 1000",
             soci::use(kTenant), soci::into(group), soci::into(verdict), soci::into(silent),
             soci::into(count));
        for (select.execute(); select.fetch();) {
            const auto [at, first] = groups.try_emplace(group);
            if (first)
                at->second = {{"group", group},
                              {"affirmed", 0},
                              {"contraindicated", 0},
                              {"none", 0},
                              {"silent", 0}};
            json& of = at->second[silent != 0 ? "silent" : verdict];
            of = (of.is_number() ? of.get<long long>() : 0) + count;
        }
        return {};
    });
    if (!done) return std::unexpected(done.error());
    constexpr std::size_t kMost = 200;
    json all = json::array();
    for (auto& [name, counts] : groups)
        if (all.size() < kMost) all.push_back(std::move(counts));
    return all;
}

Result<std::int64_t> count_waiting(Database& database) {
    long long count = 0;
    const auto done = database.read([&](soci::session& session) -> Result<void> {
        session << "select count(*) from enrolments where tenant = :tenant and state = 'waiting'",
            soci::use(kTenant), soci::into(count);
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return count;
}

Result<json> search_keys(Database& database, const std::string& text) {
    json all = json::array();
    std::string pattern = "%", digest;
    for (const char letter : text) {
        if (letter == '%' || letter == '_' || letter == '\\') pattern += '\\';
        pattern += letter;
        if (letter != ':' && letter != ' ') digest += static_cast<char>(std::tolower(letter));
    }
    pattern += '%';
    const auto done = database.read([&](soci::session& session) -> Result<void> {
        std::string fingerprint, subject, issuer;
        long long seen = 0, hosts = 0;
        soci::statement select =
            (session.prepare
                 << "select fingerprint, subject, issuer, first_seen, (select count(distinct host) "
                    "from host_keys where host_keys.tenant = trusted_keys.tenant and "
                    "host_keys.fingerprint = trusted_keys.fingerprint and until = 0) from "
                    "trusted_keys where tenant = :tenant and (fingerprint = :digest or public_key "
                    "= :digest2 or signer = :digest3 or subject like :pattern escape '\\') order "
                    "by subject, fingerprint limit 100",
             soci::use(kTenant), soci::use(digest), soci::use(digest), soci::use(digest),
             soci::use(pattern), soci::into(fingerprint), soci::into(subject), soci::into(issuer),
             soci::into(seen), soci::into(hosts));
        for (select.execute(); select.fetch();)
            all.push_back({{"fingerprint", fingerprint},
                           {"subject", subject},
                           {"issuer", issuer},
                           {"first_seen", time_text(seen)},
                           {"hosts", hosts}});
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return all;
}

namespace {

/// `column`: a literal, "fingerprint" or "subject".
Result<json> keys_where(Database& database, const std::string& column, const std::string& value) {
    json all = json::array();
    const auto done = database.read([&](soci::session& session) -> Result<void> {
        std::string fingerprint, public_key, subject, issuer, signer, first_host, certificate, name;
        long long seen = 0;
        soci::indicator unnamed = soci::i_null;
        soci::statement select =
            (session.prepare
                 << "select trusted_keys.fingerprint, public_key, subject, issuer, signer, "
                    "first_seen, first_host, hosts.name, certificate from trusted_keys "
                    "left join hosts on hosts.tenant = trusted_keys.tenant and "
                    "hosts.id = first_host where trusted_keys.tenant = :tenant and "
                 << column << " = :value order by first_seen, trusted_keys.fingerprint limit 20",
             soci::use(kTenant), soci::use(value), soci::into(fingerprint), soci::into(public_key),
             soci::into(subject), soci::into(issuer), soci::into(signer), soci::into(seen),
             soci::into(first_host), soci::into(name, unnamed), soci::into(certificate));
        for (select.execute(); select.fetch();)
            all.push_back({{"fingerprint", fingerprint},
                           {"public_key", public_key},
                           {"subject", subject},
                           {"issuer", issuer},
                           {"signer", signer},
                           {"first_seen", time_text(seen)},
                           {"first_host", first_host},
                           {"first_name", unnamed == soci::i_ok ? name : ""},
                           {"certificate", certificate}});
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return all;
}

}  // namespace

Result<json> find_key(Database& database, const std::string& fingerprint) {
    auto keys = keys_where(database, "trusted_keys.fingerprint", fingerprint);
    if (!keys) return std::unexpected(keys.error());
    return keys->empty() ? json() : std::move((*keys)[0]);
}

Result<json> keys_of_subject(Database& database, const std::string& subject) {
    return keys_where(database, "subject", subject);
}

Result<json> hosts_of_key(Database& database, const Where& where) {
    json hosts = json::array();
    bool more = false;
    const auto done = database.read([&](soci::session& session) -> Result<void> {
        const int wanted = where.limit + 1;
        const long long offset = where.offset;
        const int ever = where.at < 0 ? 1 : 0;
        const long long at = where.at;
        std::string id, name, keyring;
        long long since = 0, until = 0;
        soci::statement select =
            (session.prepare
                 << "select host, hosts.name, keyring, since, until from host_keys join hosts on "
                    "hosts.tenant = host_keys.tenant and hosts.id = host where host_keys.tenant = "
                    ":tenant and host_keys.fingerprint = :key and (1 = :ever or (since <= :at and "
                    "(until = 0 "
                    "or until > :at2))) order by host, since, keyring limit :limit offset :offset",
             soci::use(kTenant), soci::use(where.fingerprint), soci::use(ever), soci::use(at),
             soci::use(at), soci::use(wanted), soci::use(offset), soci::into(id), soci::into(name),
             soci::into(keyring), soci::into(since), soci::into(until));
        for (select.execute(); select.fetch();) {
            more = hosts.size() == static_cast<std::size_t>(where.limit);
            if (more) break;
            hosts.push_back({{"host", id},
                             {"name", name},
                             {"keyring", keyring},
                             {"since", time_text(since)},
                             {"until", until == 0 ? json() : json(time_text(until))}});
        }
        return {};
    });
    if (!done) return std::unexpected(done.error());
    json all = {{"hosts", std::move(hosts)}};
    if (more) all["next"] = where.offset + where.limit;
    return all;
}

}  // namespace keyscribe::web
