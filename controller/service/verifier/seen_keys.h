// SPDX-License-Identifier: Apache-2.0
// Which keys stand in whose keyrings, since when: the answer to "where is this certificate
// trusted".
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "controller/service/appraise/appraise.h"
#include "controller/service/verifier/changes.h"
#include "controller/service/verifier/host_store.h"

namespace keyscribe::verifier {

struct SeenKey {
    std::string keyring;
    std::string fingerprint;  ///< SHA-256, hex, of the certificate; of the public key where no more
                              ///< is known
    std::string public_key;   ///< SHA-256, hex, of subjectPublicKey's bytes
    std::string subject, issuer;
    std::string signer;                     ///< its authority key identifier, hex
    std::vector<std::uint8_t> certificate;  ///< DER; may be empty
    auto operator<=>(const SeenKey& other) const {
        return std::tie(keyring, fingerprint) <=> std::tie(other.keyring, other.fingerprint);
    }
    bool operator==(const SeenKey& other) const { return (*this <=> other) == 0; }
};

/// The keys that stand in the kernel's keyrings and are judged, sorted. `list`: what the model's
/// offsets count in.
std::vector<SeenKey> seen_keys(const appraise::Appraisal& appraisal, Bytes list);

/// Makes the host's rows those of `keys`; a key that nobody had before becomes a change of kind
/// "key". Throws soci::soci_error.
void write_seen_keys(soci::session& session, const ChangeLog& changes, const HostRow& host,
                     const std::vector<SeenKey>& keys);

/// Keys whose fingerprint, public key's digest or subject is or contains `text`, with the hosts
/// that trust or trusted them at `at` (seconds since 1970; 0: now, -1: ever). At most 200 keys.
Result<nlohmann::json> find_keys(Database& database, const std::string& text, std::int64_t at);
/// Keys that were first seen at `since` or later, newest first, with the count of hosts that have
/// them.
Result<nlohmann::json> new_keys(Database& database, std::int64_t since);

}  // namespace keyscribe::verifier
