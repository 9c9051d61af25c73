// SPDX-License-Identifier: Apache-2.0
// What only pages ask of the database: the latest first, and a page at a time.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "controller/service/verifier/database.h"

namespace keyscribe::web {

/// Those with numbers below `before` (0: the latest), of one host where it is named: {"changes":
/// [...], "next": number}; "next" where there are more.
Result<nlohmann::json> latest_changes(verifier::Database& database, const std::string& host,
                                      std::int64_t before, int limit);

/// How many hosts each group has, by verdict and silence: [{"group", "affirmed",
/// "contraindicated", "none", "silent"}], by name, 200 at most.
Result<nlohmann::json> count_groups(verifier::Database& database);

/// How many enrolments wait for an operator.
Result<std::int64_t> count_waiting(verifier::Database& database);

/// Keys that `text` is the fingerprint, the public key's digest or the signer of, or a part of the
/// subject: with the count of hosts that have them now, 100 at most.
Result<nlohmann::json> search_keys(verifier::Database& database, const std::string& text);

/// A key by its fingerprint. Null: there is none.
Result<nlohmann::json> find_key(verifier::Database& database, const std::string& fingerprint);
/// Keys of that subject, with their certificates, 20 at most.
Result<nlohmann::json> keys_of_subject(verifier::Database& database, const std::string& subject);

struct Where {
    std::string fingerprint;
    std::int64_t at = -1;  ///< that trusted it then, in seconds since 1970; -1: ever
    std::int64_t offset = 0;
    int limit = 100;
};
/// The hosts: {"hosts": [{"host", "name", "keyring", "since", "until"}], "next": offset}. Not by
/// the last host's id: it has a row for each keyring and each time that the key stood there.
Result<nlohmann::json> hosts_of_key(verifier::Database& database, const Where& where);

}  // namespace keyscribe::web
