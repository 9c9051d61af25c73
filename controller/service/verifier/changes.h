// SPDX-License-Identifier: Apache-2.0
// What changed, told in the transaction that changes it: a row of `changes`, and for each webhook a
// message in the outbox. So no change is without its message, and no message without its change.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "controller/service/verifier/database.h"

namespace keyscribe::verifier {

struct Change {
    std::string host;  ///< its id
    std::string name;  ///< what people call it
    std::string kind;  ///< "verdict", "silent", "heard", "key", "waiting", "enrolled", "removed"
    std::string former, latter;
    nlohmann::json detail = nlohmann::json::object();
};

class ChangeLog {
  public:
    /// `source`: of this database's events alone. Two verifiers may tell one receiver, and a
    /// database that was made anew counts from 1 again.
    ChangeLog(std::vector<std::string> urls, std::string source)
        : urls_(std::move(urls)), source_(std::move(source)) {}
    /// Throws soci::soci_error.
    void add(soci::session& session, const Change& change) const;

  private:
    std::vector<std::string> urls_;
    std::string source_;
};

/// RFC 3339, in UTC.
std::string time_text(std::int64_t time);

}  // namespace keyscribe::verifier
