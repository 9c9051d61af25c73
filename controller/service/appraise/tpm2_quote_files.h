// SPDX-License-Identifier: Apache-2.0
// Evidence from what tpm2_quote(1) wrote and a measurement list, so that a host needs nothing of
// ours but the list. The attestation key is then only vouched for by the PEM that the service has.
#pragma once

#include "controller/base/error.h"
#include "controller/evidence/evidence.h"

namespace keyscribe::appraise {

struct Tpm2QuoteFiles {
    Bytes message;    ///< tpm2_quote -m: TPMS_ATTEST
    Bytes signature;  ///< -s: TPMT_SIGNATURE
    Bytes pcrs;       ///< -o: in the format "serialized" (the default) or "values"
    Bytes list;       ///< binary_runtime_measurements; may be longer than the quote covers
};

/// Views into `files`. `pcr` is Keyscribe's. Error: files that do not belong together, or are none.
Result<evidence::Evidence> evidence_of(const Tpm2QuoteFiles& files, unsigned pcr);

}  // namespace keyscribe::appraise
