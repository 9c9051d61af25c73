// SPDX-License-Identifier: Apache-2.0
// What all processes of one verifier share and nobody else may know: kept in the database, so that
// any process can check what another one gave. Tokens are kept as their SHA-256.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>

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
/// What a token is known by: its SHA-256, hex.
std::string token_digest(std::string_view token);
/// Nothing where there is none, or it has expired.
Result<std::optional<Token>> find_token(Database& database, std::string_view token);
Result<std::optional<Token>> find_token_by_digest(Database& database, const std::string& digest);
/// Whether there is any of this role.
Result<bool> has_token(Database& database, const std::string& role);

}  // namespace keyscribe::verifier
