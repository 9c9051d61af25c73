// SPDX-License-Identifier: Apache-2.0
// TPM2_Quote. Source: TCG TPM 2.0 Library, Part 3, 18.4; Part 2, 10.12.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "controller/base/error.h"
#include "controller/evidence/evidence.h"
#include "controller/host/tpm/tpm.h"

namespace keyscribe::attest {

struct SignedQuote {
    std::vector<std::uint8_t> attest;     ///< TPMS_ATTEST
    std::vector<std::uint8_t> signature;  ///< TPMT_SIGNATURE
};

/// A quote by the key at `handle` over `nonce` (at most 64 bytes) and these PCRs in these banks.
Result<SignedQuote> take_quote(tpm::Tpm& tpm, std::uint32_t handle, Bytes nonce,
                               const std::vector<Algorithm>& banks,
                               const std::vector<unsigned>& pcrs);

/// What a quote says about PCRs.
struct QuotedPcrs {
    std::vector<std::pair<Algorithm, std::vector<unsigned>>> selection;  ///< in its order
    Algorithm algorithm = Algorithm::kSha256;                            ///< of `digest`
    Digest digest;

    /// Whether these are the values. Those that the quote does not select are not looked at.
    bool covers(const evidence::PcrSet& values) const;
};

/// Takes the TPM's structures apart; verifies nothing.
Result<QuotedPcrs> quoted_pcrs(Bytes attest, Bytes signature);

}  // namespace keyscribe::attest
