// SPDX-License-Identifier: Apache-2.0
// The endorsement key that a host sends beside its attestation key. Sources: TCG EK Credential
// Profile for TPM 2.0, 2.6, 3.2 (what its certificate says) and B.3 (its attributes).
#pragma once

#include <optional>
#include <string>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::appraise {

/// Why the certificate (DER) is none of an endorsement key, whoever issued it: it is a CA's, or
/// names uses and that is not among them. Nothing: it may be one. A certificate that names no uses
/// at all may be one, too: older TPMs have such.
std::optional<std::string> endorsement_problem(Bytes certificate);

/// What `keyscribe ak create` exports of it: ek.pub (TPM2B_PUBLIC), ek.pem and ek.crt (DER). Each
/// may be empty: it is not there. Error: they are not of one key, or it is not one to which a
/// credential can be made that proves something. Who issued the certificate is not looked at.
Result<void> check_endorsement(Bytes ek_pub, std::string_view pem, Bytes certificate);

}  // namespace keyscribe::appraise
