// SPDX-License-Identifier: Apache-2.0
// The attestation key and the quotes of evidence: by a key that is expected, over the nonce, of one
// boot, over the list's PCR.
#pragma once

#include <optional>

#include "controller/service/appraise/appraise.h"
#include "controller/service/appraise/list_pass.h"

namespace keyscribe::appraise {

class QuoteCheck {
  public:
    QuoteCheck(const evidence::Evidence& evidence, const Request& request,
               const AppraisalPolicy& policy, Findings& findings)
        : evidence_(evidence), request_(request), policy_(policy), findings_(findings) {}

    /// Fills in the claims and which key signed. False: the evidence is unusable, and a finding
    /// says why.
    bool run(Appraisal& result);

    /// Of the list's PCR.
    const PcrBanks& quoted() const { return quoted_; }
    /// SHA-256 of the first quote that is over the list's PCR.
    const Sha256& digest() const { return quote_; }

  private:
    bool check_key(Appraisal& result);
    bool check_quotes(Appraisal& result);
    std::optional<QuoteClaims> verify(const evidence::Quote& quote);

    const evidence::Evidence& evidence_;
    const Request& request_;
    const AppraisalPolicy& policy_;
    Findings& findings_;
    const AttestationKey* key_ = nullptr;
    PcrBanks quoted_;
    Sha256 quote_{};
};

/// Whether the PCR is quoted in each bank that the policy wants; else a finding says which is
/// missing.
bool has_required_banks(const PcrBanks& banks, unsigned pcr, const AppraisalPolicy& policy,
                        Findings& findings);

}  // namespace keyscribe::appraise
