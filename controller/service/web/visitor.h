// SPDX-License-Identifier: Apache-2.0
// Who looks at the pages. A token that was typed into the form becomes a cookie: the token's
// digest, an end, and a MAC with a key that all processes share, so that no process has a state
// that another one would miss. Each request looks the digest up: a session ends with its token.
#pragma once

#include <optional>
#include <string>

#include "controller/service/verifier/http.h"
#include "controller/service/verifier/secrets.h"

namespace keyscribe::web {

/// A working day. Whoever has the cookie has the token's rights for so long.
inline constexpr std::int64_t kSessionLife = 8 * 3600;
/// RFC 6265bis, 4.1.3.2: a browser takes it with Secure, Path=/ and no Domain alone.
inline constexpr const char* kCookie = "__Host-keyscribe";

struct Visitor {
    verifier::Role role = verifier::Role::kNobody;
    std::string who;         ///< the token's label, or the certificate's subject
    std::string form_token;  ///< that each form of theirs must bring along
    bool by_certificate = false;

    bool may_change() const { return role == verifier::Role::kOperator; }
};

class Sessions {
  public:
    /// Error: the database is away.
    static Result<Sessions> open(verifier::Database& database);

    /// The cookie's value. Nothing: it is no operator's or reader's token.
    Result<std::optional<std::string>> begin(std::string_view token, std::int64_t time) const;
    /// Nobody where there is no good cookie and no certificate.
    Result<Visitor> visitor(const verifier::Request& request, std::int64_t time) const;

  private:
    Sessions(verifier::Database& database, verifier::SecretText key)
        : database_(&database), key_(std::move(key)) {}
    std::string mac(std::string_view purpose, std::string_view text) const;

    verifier::Database* database_;
    verifier::SecretText key_;
};

/// Texts of equal length are compared in equal time.
bool is_equal(std::string_view left, std::string_view right);

}  // namespace keyscribe::web
