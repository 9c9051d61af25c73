// SPDX-License-Identifier: Apache-2.0
// Attestation results for relying parties: EAR (draft-ietf-rats-ear-03) as a JWT (RFC 7519), signed
// with ES256.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "controller/service/verifier/host_store.h"
#include "controller/service/verifier/secrets.h"

namespace keyscribe::verifier {

/// Of the draft's third version, and veraison/ear's of 2023.
inline constexpr const char* kEarProfile = "tag:ietf.org,2026:rats/ear#03";
inline constexpr const char* kOlderEarProfile = "tag:github.com,2023:veraison/ear";

/// What a result says beside the host's row.
struct ResultParts {
    std::string nonce;  ///< Base64url; of a result that nobody asked for with a nonce it is empty
    bool with_older_names = false;  ///< as veraison/ear of 2023 has them: "ear.status"
};

class EarSigner {
  public:
    /// A fresh P-256 key, PEM.
    static SecretText make_key();
    static Result<EarSigner> load(const SecretText& pem);

    /// The result's claims; `time`: now. A silent host's say that nothing is known.
    static nlohmann::json claims(const HostRow& host, const ResultParts& parts, std::int64_t time);
    std::string sign(const nlohmann::json& claims) const;
    std::string sign(const HostRow& host, const ResultParts& parts, std::int64_t time) const {
        return sign(claims(host, parts, time));
    }
    /// RFC 7517, with this key.
    nlohmann::json jwks() const;

  private:
    std::shared_ptr<EVP_PKEY> key_;
    std::string id_;  ///< RFC 7638 thumbprint
    nlohmann::json public_;
};

}  // namespace keyscribe::verifier
