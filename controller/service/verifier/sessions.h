// SPDX-License-Identifier: Apache-2.0
// Sessions of the challenge-response API without a table of nonces: a session is its nonce, with
// the host that asked for it where that said who it is. What came of it is then that host's row; of
// other sessions the result is kept as long as the nonce is good.
#pragma once

#include <optional>
#include <string>

#include "controller/service/verifier/ear.h"
#include "controller/service/verifier/nonce.h"

namespace keyscribe::verifier {

struct Session {
    std::vector<std::uint8_t> nonce;
    std::string host;  ///< empty: it did not say
};

/// The end of a session's path: the nonce in Base64url, and behind a dot the host.
std::string session_id(Bytes nonce, const std::string& host);
/// Nothing where the nonce is none that this verifier gave, or is good no more.
std::optional<Session> find_session(const NonceMaker& nonces, const std::string& id,
                                    std::int64_t time);

/// Keeps the result of a session that names another host, or none.
Result<void> keep_result(Database& database, const Session& session, const std::string& result);
/// The result of a session, signed anew where it is the host's last one. Nothing: none is there.
Result<std::optional<std::string>> result_of(Database& database, const EarSigner& signer,
                                             const Session& session, bool with_older_names);
Result<void> end_session(Database& database, const Session& session);
/// Deletes results of sessions whose nonce is good no more.
Result<void> sweep_sessions(Database& database);

}  // namespace keyscribe::verifier
