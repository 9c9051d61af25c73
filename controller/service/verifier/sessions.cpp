// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/sessions.h"

#include <soci/soci.h>

#include "controller/base/base64.h"

namespace keyscribe::verifier {

std::string session_id(Bytes nonce, const std::string& host) {
    return to_base64url(nonce) + (host.empty() ? "" : '.' + host);
}

std::optional<Session> find_session(const NonceMaker& nonces, const std::string& id,
                                    std::int64_t time) {
    const auto dot = std::min(id.find('.'), id.size());
    auto nonce = from_base64url(id.substr(0, dot));
    if (!nonce || !nonces.is_good(*nonce, time)) return std::nullopt;
    return Session{.nonce = std::move(*nonce), .host = id.substr(std::min(dot + 1, id.size()))};
}

Result<void> keep_result(Database& database, const Session& session, const std::string& result) {
    const std::string nonce = to_base64url(session.nonce);
    const long long expires = now() + kNonceLife / 1000;
    return database.write([&](soci::session& sql) -> Result<void> {
        sql << "insert into session_results (tenant, nonce, result, expires) values (:tenant, "
               ":nonce, :result, :expires)",
            soci::use(kTenant), soci::use(nonce), soci::use(result), soci::use(expires);
        return {};
    });
}

Result<std::optional<std::string>> result_of(Database& database, const EarSigner& signer,
                                             const Session& session, bool with_older_names) {
    const std::string nonce = to_base64url(session.nonce);
    if (!session.host.empty()) {
        const auto host = find_host(database, session.host);
        if (!host) return std::unexpected(host.error());
        if (*host && (*host)->last_nonce == nonce)
            return signer.sign(**host, {.nonce = nonce, .with_older_names = with_older_names},
                               now());
    }
    std::optional<std::string> found;
    const auto done = database.look([&](soci::session& sql) -> Result<void> {
        std::string result;
        sql << "select result from session_results where tenant = :tenant and nonce = :nonce",
            soci::use(kTenant), soci::use(nonce), soci::into(result);
        if (sql.got_data()) found = result;
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return found;
}

Result<void> end_session(Database& database, const Session& session) {
    const std::string nonce = to_base64url(session.nonce);
    return database.write([&](soci::session& sql) -> Result<void> {
        sql << "delete from session_results where tenant = :tenant and nonce = :nonce",
            soci::use(kTenant), soci::use(nonce);
        return {};
    });
}

Result<void> sweep_sessions(Database& database) {
    return database.write([](soci::session& sql) -> Result<void> {
        const long long time = now();
        sql << "delete from session_results where tenant = :tenant and expires < :now",
            soci::use(kTenant), soci::use(time);
        return {};
    });
}

}  // namespace keyscribe::verifier
