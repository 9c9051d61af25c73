// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/seen_keys.h"

#include <soci/soci.h>

#include <algorithm>
#include <set>

#include "controller/base/base64.h"
#include "controller/base/utf8.h"
#include "controller/keyrings/certificate_view.h"
#include "controller/keyrings/keyring_model.h"

namespace keyscribe::verifier {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestName = 255;

/// Text that any database takes: no NUL, and UTF-8 alone.
std::string plain_name(std::string_view name) { return base::printable(name, kLongestName); }

std::string issuer_of(const keyrings::CertificateView& view) {
    keyrings::CertificateView swapped = view;
    swapped.subject = view.issuer;
    return keyrings::display_name(swapped);
}

/// Every piece that `select` gives, with the hosts of each.
struct KeyRow {
    std::string fingerprint, public_key, subject, issuer, signer, first_host, certificate;
    long long first_seen = 0;

    json to_json() const {
        return {{"fingerprint", fingerprint}, {"public_key", public_key},
                {"subject", subject},         {"issuer", issuer},
                {"signer", signer},           {"first_seen", time_text(first_seen)},
                {"first_host", first_host},   {"certificate", certificate}};
    }
};

const std::string kKeyColumns =
    "select fingerprint, public_key, subject, issuer, signer, first_seen, first_host, certificate "
    "from trusted_keys where tenant = :tenant and ";

std::vector<KeyRow> read_keys(soci::statement& select, KeyRow& row) {
    std::vector<KeyRow> rows;
    for (select.execute(); select.fetch();) rows.push_back(row);
    return rows;
}

/// Hosts that are told of one key.
constexpr std::size_t kHostsOfAKey = 10000;

json hosts_with(soci::session& session, const std::string& fingerprint, long long at) {
    json hosts = json::array();
    std::string id, name, keyring;
    long long since = 0, until = 0;
    const long long ever = at < 0 ? 1 : 0;
    soci::statement select =
        (session.prepare
             << "select host_keys.host, hosts.name, keyring, since, until from "
                "host_keys join hosts on hosts.tenant = host_keys.tenant and hosts.id "
                "= host_keys.host where host_keys.tenant = :tenant and host_keys.fingerprint = "
                ":fingerprint and (:ever = 1 or (since <= :at and (until = 0 or until "
                "> :at2))) order by since, host_keys.host limit 10001",
         soci::use(kTenant), soci::use(fingerprint), soci::use(ever), soci::use(at), soci::use(at),
         soci::into(id), soci::into(name), soci::into(keyring), soci::into(since),
         soci::into(until));
    for (select.execute(); select.fetch();) {
        json one = {
            {"host", id}, {"name", name}, {"keyring", keyring}, {"since", time_text(since)}};
        if (until != 0) one["until"] = time_text(until);
        hosts.push_back(std::move(one));
    }
    return hosts;
}

void add_key(soci::session& session, const ChangeLog& changes, const HostRow& host,
             const SeenKey& key) {
    const long long time = now();
    const std::string certificate = base::to_base64(key.certificate);
    long long known = 0;
    {
        soci::statement insert =
            (session.prepare << "insert into trusted_keys (tenant, fingerprint, public_key, "
                                "subject, issuer, signer, first_seen, first_host, certificate) "
                                "values (:tenant, :fingerprint, :public_key, :subject, :issuer, "
                                ":signer, :first_seen, :first_host, :certificate) on conflict "
                                "(tenant, fingerprint) do nothing",
             soci::use(kTenant), soci::use(key.fingerprint), soci::use(key.public_key),
             soci::use(key.subject), soci::use(key.issuer), soci::use(key.signer), soci::use(time),
             soci::use(host.id), soci::use(certificate));
        insert.execute(true);
        known = insert.get_affected_rows();
    }
    if (known == 1)
        changes.add(session, {.host = host.id,
                              .name = host.name,
                              .kind = "key",
                              .latter = key.fingerprint,
                              .detail = {{"subject", key.subject},
                                         {"issuer", key.issuer},
                                         {"keyring", key.keyring}}});
    session << "insert into host_keys (tenant, host, keyring, fingerprint, since, until) values "
               "(:tenant, :host, :keyring, :fingerprint, :since, 0) on conflict (tenant, host, "
               "keyring, fingerprint, since) do update set until = 0",
        soci::use(kTenant), soci::use(host.id), soci::use(key.keyring), soci::use(key.fingerprint),
        soci::use(time);
}

}  // namespace

std::vector<SeenKey> seen_keys(const appraise::Appraisal& appraisal, Bytes list) {
    std::set<SeenKey> found;
    if (!appraisal.model) return {};
    const keyrings::KeyringModel& model = *appraisal.model;
    const auto piece = [&](const keyrings::Extent& extent) {
        if (extent.size == 0 || extent.offset + extent.size > list.size()) return Bytes();
        return list.subspan(extent.offset, extent.size);
    };
    for (keyrings::LinkId id = 0; id < model.links(); ++id) {
        const keyrings::Link& link = model.link(id);
        if (link.keyring == keyrings::kNone || !link.stands || !appraisal.verdicts[id].judged)
            continue;
        const keyrings::Key& key = model.key(link.key);
        SeenKey seen{.keyring = plain_name(model.key(link.keyring).description)};
        const Bytes payload = piece(key.payload), public_key = piece(key.public_key);
        const auto view = payload.empty() ? std::nullopt : keyrings::view_certificate(payload);
        if (view) {
            seen.fingerprint = to_hex(sha256(payload));
            seen.public_key = to_hex(sha256(view->public_key));
            seen.subject = plain_name(keyrings::display_name(*view));
            seen.issuer = plain_name(issuer_of(*view));
            if (view->authority_key_id) seen.signer = to_hex(*view->authority_key_id);
            seen.certificate.assign(payload.begin(), payload.end());
        } else if (!public_key.empty()) {
            seen.fingerprint = seen.public_key = to_hex(sha256(public_key));
            seen.subject = plain_name(key.description);
        } else if (key.sha256 || key.fingerprint) {
            seen.fingerprint = to_hex(key.sha256 ? *key.sha256 : *key.fingerprint);
            seen.subject = plain_name(key.description);
        } else {
            continue;
        }
        found.insert(std::move(seen));
    }
    return {found.begin(), found.end()};
}

void write_seen_keys(soci::session& session, const ChangeLog& changes, const HostRow& host,
                     const std::vector<SeenKey>& keys) {
    std::set<std::pair<std::string, std::string>> there;
    {
        std::string keyring, fingerprint;
        soci::statement select =
            (session.prepare << "select keyring, fingerprint from host_keys where tenant = :tenant "
                                "and host = :host and until = 0",
             soci::use(kTenant), soci::use(host.id), soci::into(keyring), soci::into(fingerprint));
        for (select.execute(); select.fetch();) there.emplace(keyring, fingerprint);
    }
    for (const SeenKey& key : keys)
        if (there.erase({key.keyring, key.fingerprint}) == 0) add_key(session, changes, host, key);
    const long long time = now();
    for (const auto& [keyring, fingerprint] : there)
        session << "update host_keys set until = :until where tenant = :tenant and host = :host "
                   "and keyring = :keyring and fingerprint = :fingerprint and until = 0",
            soci::use(time), soci::use(kTenant), soci::use(host.id), soci::use(keyring),
            soci::use(fingerprint);
}

Result<json> find_keys(Database& database, const std::string& text, std::int64_t at) {
    json all = json::array();
    const auto done = database.read([&](soci::session& session) -> Result<void> {
        KeyRow row;
        std::string pattern = "%";
        for (const char letter : text) {
            if (letter == '%' || letter == '_' || letter == '\\') pattern += '\\';
            pattern += letter;
        }
        pattern += '%';
        std::string digest;
        for (const char letter : text)
            if (letter != ':') digest += static_cast<char>(std::tolower(letter));
        soci::statement select =
            (session.prepare << kKeyColumns
                             << "(fingerprint = :digest or public_key = :digest2 or signer = "
                                ":digest3 or subject like :pattern escape '\\') order by "
                                "first_seen, fingerprint limit 200",
             soci::use(kTenant), soci::use(digest), soci::use(digest), soci::use(digest),
             soci::use(pattern), soci::into(row.fingerprint), soci::into(row.public_key),
             soci::into(row.subject), soci::into(row.issuer), soci::into(row.signer),
             soci::into(row.first_seen), soci::into(row.first_host), soci::into(row.certificate));
        for (const KeyRow& one : read_keys(select, row)) {
            json key = one.to_json();
            json& hosts = key["hosts"] = hosts_with(session, one.fingerprint, at == 0 ? now() : at);
            if (hosts.size() > kHostsOfAKey) {
                hosts.erase(kHostsOfAKey);
                key["more_hosts"] = true;
            }
            all.push_back(std::move(key));
        }
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return all;
}

Result<json> new_keys(Database& database, std::int64_t since) {
    json all = json::array();
    const auto done = database.read([&](soci::session& session) -> Result<void> {
        KeyRow row;
        const long long from = since;
        soci::statement select =
            (session.prepare << kKeyColumns
                             << "first_seen >= :since order by first_seen desc, fingerprint limit "
                                "1000",
             soci::use(kTenant), soci::use(from), soci::into(row.fingerprint),
             soci::into(row.public_key), soci::into(row.subject), soci::into(row.issuer),
             soci::into(row.signer), soci::into(row.first_seen), soci::into(row.first_host),
             soci::into(row.certificate));
        for (const KeyRow& one : read_keys(select, row)) {
            long long hosts = 0;
            session << "select count(distinct host) from host_keys where tenant = :tenant and "
                       "fingerprint = :fingerprint and until = 0",
                soci::use(kTenant), soci::use(one.fingerprint), soci::into(hosts);
            json key = one.to_json();
            key["hosts"] = hosts;
            all.push_back(std::move(key));
        }
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return all;
}

}  // namespace keyscribe::verifier
