// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/secrets.h"

#include <openssl/rand.h>
#include <soci/soci.h>

#include <cstdlib>

#include "controller/base/base64.h"
#include "controller/base/digest.h"

namespace keyscribe::verifier {
namespace {
constexpr std::size_t kTokenId = 16;  // digits of its digest
}

std::array<std::uint8_t, 32> random_bytes() {
    std::array<std::uint8_t, 32> bytes{};
    // Without entropy nothing that this program promises holds.
    if (RAND_priv_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) std::abort();
    return bytes;
}

std::string random_id() { return to_hex(Bytes(random_bytes()).first(16)); }

std::string token_digest(std::string_view token) { return to_hex(sha256(as_bytes(token))); }

std::string token_id(std::string_view token) { return token_digest(token).substr(0, kTokenId); }

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

std::string insert_token(soci::session& session, const Token& token, std::int64_t expires) {
    std::string text = to_base64url(random_bytes());
    const std::string digest = token_digest(text);
    const long long created = now(), until = expires;
    session << "insert into tokens (tenant, digest, role, grp, label, created, expires) values "
               "(:tenant, :digest, :role, :grp, :label, :created, :expires)",
        soci::use(kTenant), soci::use(digest), soci::use(token.role), soci::use(token.group),
        soci::use(token.label), soci::use(created), soci::use(until);
    return text;
}

Result<std::string> create_token(Database& database, const Token& token, std::int64_t expires) {
    std::string text;
    const auto done = database.write([&](soci::session& session) -> Result<void> {
        text = insert_token(session, token, expires);
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return text;
}

Result<std::vector<KeptToken>> list_tokens(Database& database) {
    std::vector<KeptToken> all;
    const auto done = database.read([&](soci::session& session) -> Result<void> {
        KeptToken one;
        std::string digest;
        long long created = 0, expires = 0;
        soci::statement select =
            (session.prepare << "select digest, role, grp, label, created, expires from tokens "
                                "where tenant = :tenant order by created, digest",
             soci::use(kTenant), soci::into(digest), soci::into(one.token.role),
             soci::into(one.token.group), soci::into(one.token.label), soci::into(created),
             soci::into(expires));
        for (select.execute(); select.fetch();) {
            one.id = digest.substr(0, kTokenId);
            one.created = created, one.expires = expires;
            all.push_back(one);
        }
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return all;
}

Result<bool> revoke_token(Database& database, const std::string& id) {
    bool revoked = false;
    const auto done = database.write([&](soci::session& session) -> Result<void> {
        soci::statement remove = (session.prepare << "delete from tokens where tenant = :tenant "
                                                     "and substr(digest, 1, 16) = :id",
                                  soci::use(kTenant), soci::use(id));
        remove.execute(true);
        revoked = remove.get_affected_rows() != 0;
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return revoked;
}

Result<std::optional<Token>> find_token(Database& database, std::string_view token) {
    return find_token_by_digest(database, token_digest(token));
}

Result<std::optional<Token>> find_token_by_digest(Database& database, const std::string& digest) {
    std::optional<Token> found;
    const auto done = database.look([&](soci::session& session) -> Result<void> {
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

}  // namespace keyscribe::verifier
