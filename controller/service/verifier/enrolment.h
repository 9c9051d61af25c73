// SPDX-License-Identifier: Apache-2.0
// How a host comes to be known: an attestation key that lives in the TPM of an endorsement key
// (credential activation), and somebody who vouches for that endorsement key. API.md has the
// messages.
#pragma once

#include <expected>
#include <nlohmann/json.hpp>
#include <string>

#include "controller/service/verifier/changes.h"
#include "controller/service/verifier/ek_trust.h"
#include "controller/service/verifier/problem.h"
#include "controller/service/verifier/secrets.h"

namespace keyscribe::verifier {

template <class T>
using Answer = std::expected<T, Problem>;

class Enrolments {
  public:
    Enrolments(Database& database, const Settings& settings, const EkTrust& trust,
               const ChangeLog& changes)
        : database_(database), settings_(settings), trust_(trust), changes_(changes) {}

    /// The body of POST /v1/enrolments, and what answers it.
    Answer<nlohmann::json> begin(const nlohmann::json& body);
    /// `credential`: the bytes that the TPM gave back.
    Answer<nlohmann::json> activate(const std::string& id, Bytes credential);
    Answer<nlohmann::json> show(const std::string& id);

    /// An operator's word on a waiting one. `who` is kept with the host.
    Answer<nlohmann::json> decide(const std::string& id, bool accept, const std::string& who,
                                  const std::string& reason);
    /// For operators; `state`: "waiting" and so on, or empty for all.
    Answer<nlohmann::json> list(const std::string& state);
    /// Deletes those that expired without a proof, or were decided on a month ago.
    Result<void> sweep();

  private:
    struct Row;
    std::optional<Problem> too_many(soci::session& session, const Row& row) const;
    Result<void> accept(soci::session& session, const Row& row, const std::string& by);

    Database& database_;
    const Settings& settings_;
    const EkTrust& trust_;
    const ChangeLog& changes_;
};

}  // namespace keyscribe::verifier
