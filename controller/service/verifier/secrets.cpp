// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/secrets.h"

#include <openssl/rand.h>
#include <soci/soci.h>

#include <cstdlib>

#include "controller/base/base64.h"
#include "controller/base/digest.h"

namespace keyscribe::verifier {
std::array<std::uint8_t, 32> random_bytes() {
    std::array<std::uint8_t, 32> bytes{};
    // Without entropy nothing that this program promises holds.
    if (RAND_priv_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) std::abort();
    return bytes;
}

std::string random_id() { return to_hex(Bytes(random_bytes()).first(16)); }

std::string token_digest(std::string_view token) { return to_hex(sha256(as_bytes(token))); }

Result<SecretText> shared_secret(Database& database, const std::string& name,
                                 const std::function<SecretText()>& make) {
    SecretText secret;
    const auto work = [&](soci::session& session) -> Result<void> {
        std::string value;
        session << "select value from secrets where tenant = :tenant and name = :name",
            soci::use(kTenant), soci::use(name), soci::into(value);
        if (!session.got_data()) {
            const SecretText made = make();
            value.assign(made.begin(), made.end());
            const long long created = now();
            session << "insert into secrets (tenant, name, value, created) values (:tenant, :name, "
                       ":value, :created)",
                soci::use(kTenant), soci::use(name), soci::use(value), soci::use(created);
        }
        secret.assign(value.begin(), value.end());
        OPENSSL_cleanse(value.data(), value.size());
        return {};
    };
    // Two processes that start at once: the second one's insert fails, and its next look finds the
    // row.
    Result<void> done = database.write(work);
    if (!done) done = database.write(work);
    if (!done) return std::unexpected(done.error());
    return secret;
}

Result<std::string> create_token(Database& database, const Token& token, std::int64_t expires) {
    std::string text = to_base64url(random_bytes());
    const std::string digest = token_digest(text);
    const long long created = now(), until = expires;
    const auto done = database.write([&](soci::session& session) -> Result<void> {
        session << "insert into tokens (tenant, digest, role, grp, label, created, expires) values "
                   "(:tenant, :digest, :role, :grp, :label, :created, :expires)",
            soci::use(kTenant), soci::use(digest), soci::use(token.role), soci::use(token.group),
            soci::use(token.label), soci::use(created), soci::use(until);
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return text;
}

Result<std::optional<Token>> find_token(Database& database, std::string_view token) {
    return find_token_by_digest(database, token_digest(token));
}

Result<std::optional<Token>> find_token_by_digest(Database& database, const std::string& digest) {
    std::optional<Token> found;
    const auto done = database.read([&](soci::session& session) -> Result<void> {
        Token row;
        long long expires = 0;
        // Found by its digest: the time that this takes tells nothing of a token.
        session << "select role, grp, label, expires from tokens where tenant = :tenant and "
                   "digest = :digest",
            soci::use(kTenant), soci::use(digest), soci::into(row.role), soci::into(row.group),
            soci::into(row.label), soci::into(expires);
        if (session.got_data() && (expires == 0 || expires > now())) found = row;
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return found;
}

Result<bool> has_token(Database& database, const std::string& role) {
    int count = 0;
    const auto done = database.read([&](soci::session& session) -> Result<void> {
        session << "select count(*) from tokens where tenant = :tenant and role = :role",
            soci::use(kTenant), soci::use(role), soci::into(count);
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return count != 0;
}

}  // namespace keyscribe::verifier
