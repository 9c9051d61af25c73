// SPDX-License-Identifier: Apache-2.0
// Public areas of a TPM's keys that a host enrols with. Sources: TCG TPM 2.0 Library Part 2, 12.2
// (TPMT_PUBLIC), TCG EK Credential Profile 2.5, B.3 and B.4 (templates of EKs).
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <string>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::verifier {

/// Takes a TPM2B_PUBLIC apart, from end to end.
Result<TPMT_PUBLIC> parse_tpm2b_public(Bytes bytes, const std::string& where);

/// The SubjectPublicKeyInfo, DER. Error: neither RSA of 2048 bits and more nor ECC on P-256 or
/// P-384.
Result<std::vector<std::uint8_t>> public_key_der(const TPMT_PUBLIC& key, const std::string& where);
/// The same of a TPMT_PUBLIC, as evidence has it.
Result<std::vector<std::uint8_t>> public_key_der(Bytes tpmt_public, const std::string& where);

/// Whether a TPM made the key, keeps it, and decrypts with it nothing but what protects its own
/// structures: a credential for anything else proves nothing. Error: what it lacks.
Result<void> check_endorsement_key(const TPMT_PUBLIC& key);

}  // namespace keyscribe::verifier
