// SPDX-License-Identifier: Apache-2.0
// Who signed whom: signatures of certificates, verified, and in the order of time.
#pragma once

#include <functional>
#include <unordered_map>

#include "controller/keyrings/public_key.h"
#include "controller/service/appraise/finding.h"
#include "controller/service/appraise/key_judge.h"
#include "controller/service/appraise/openssl.h"
#include "controller/service/appraise/policy.h"
#include "controller/service/appraise/signature_cache.h"

namespace keyscribe::appraise {

/// OpenSSL's keys, made once each.
class PublicKeys {
  public:
    explicit PublicKeys(const Materials& materials) : materials_(materials) {}
    /// Returns the material's key; null where read_public_key() returns none.
    EVP_PKEY* get(MaterialId id);
    /// Its SubjectPublicKeyInfo, DER; empty: it cannot be made.
    std::vector<std::uint8_t> info(MaterialId id) const;

  private:
    const Materials& materials_;
    std::unordered_map<MaterialId, keyrings::PublicKey> keys_;
};

using TellChain = std::function<void(keyrings::LinkId link, const Code& code, std::string sentence,
                                     std::uint64_t entry)>;

/// Each key of a keyring that the policy names signers for must be signed by a key that vouches
/// and stood in one of the signers' keyrings when it came.
/// `known`: of other appraisals; or null.
void check_chains(const AppraisalPolicy& policy, const std::vector<Presence>& presences,
                  const Materials& materials, SignatureCache* known, const TellChain& tell);

}  // namespace keyscribe::appraise
