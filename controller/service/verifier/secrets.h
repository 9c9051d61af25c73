// SPDX-License-Identifier: Apache-2.0
// What all processes of one verifier share and nobody else may know: kept in the database, so that
// any process can check what another one gave. Tokens are kept as their SHA-256.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/wiped_bytes.h"
#include "controller/service/verifier/database.h"

namespace keyscribe::verifier {

using SecretText = std::basic_string<char, std::char_traits<char>, base::WipingAllocator<char>>;

/// Random bytes of OpenSSL's generator for what must stay secret.
std::array<std::uint8_t, 32> random_bytes();
/// 16 of them as hex: an id that nobody guesses.
std::string random_id();

/// The secret `name`; the first process that asks makes it, and all others get that one.
Result<SecretText> shared_secret(Database& database, const std::string& name,
                                 const std::function<SecretText()>& make);

struct Token {
    std::string role;   ///< "operator", "reader", "enrol"
    std::string group;  ///< of "enrol": that its hosts come into
    std::string label;
};

/// Makes a token and returns it; the database has its digest only. `expires`: 0 for never.
Result<std::string> create_token(Database& database, const Token& token, std::int64_t expires = 0);
/// The same within a transaction. Throws soci::soci_error.
std::string insert_token(soci::session& session, const Token& token, std::int64_t expires = 0);

/// What is known of a token that was given to somebody.
struct KeptToken {
    std::string id;  ///< see token_id()
    Token token;
    std::int64_t created = 0, expires = 0;
};
Result<std::vector<KeptToken>> list_tokens(Database& database);
/// It is good no more, nor what was begun with it in a browser. False: there is none of this id.
Result<bool> revoke_token(Database& database, const std::string& id);
/// What a token is known by: its SHA-256, hex.
std::string token_digest(std::string_view token);
/// The first 16 digits of that, by which people name it.
std::string token_id(std::string_view token);
/// Nothing where there is none, or it has expired.
Result<std::optional<Token>> find_token(Database& database, std::string_view token);
Result<std::optional<Token>> find_token_by_digest(Database& database, const std::string& digest);

}  // namespace keyscribe::verifier
