// SPDX-License-Identifier: Apache-2.0
// TPM2_MakeCredential without a TPM: only the TPM with this endorsement key, and only if it has a
// key of this name loaded, gives the secret back. Source: TCG TPM 2.0 Library Part 1, 24
// (credential protection), 11.4.10 (KDFa, KDFe), B.10.3 and C.6.1 (secret sharing by RSA and ECC).
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::verifier {

struct Credential {
    std::vector<std::uint8_t> blob;    ///< TPM2B_ID_OBJECT
    std::vector<std::uint8_t> secret;  ///< TPM2B_ENCRYPTED_SECRET
};

/// `ek` went through check_endorsement_key(); `name` is the attestation key's TPM name.
Result<Credential> make_credential(const TPMT_PUBLIC& ek, Bytes name, const Sha256& value);

}  // namespace keyscribe::verifier
