// SPDX-License-Identifier: Apache-2.0
// The TPM's endorsement key. Sources: TCG EK Credential Profile for TPM 2.0, 2.6, B.3 (templates
// L-1 and L-2), B.6.2 (its policy) and 2.2.1.4 (NV indices).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "controller/host/attest/public_key.h"
#include "controller/host/attest/tpm_object.h"

namespace keyscribe::attest {

enum class EkAlgorithm { kRsa, kEcc };

/// Makes it anew by the profile's default template: it is always the same key. RSA takes a TPM up
/// to half a minute. Its public part goes to `public_part`, if there is one.
Result<Transient> make_ek(tpm::Tpm& tpm, EkAlgorithm ek, TPM2B_PUBLIC* public_part = nullptr);

/// Returns a session that satisfies the EK's policy for one command.
Result<Transient> ek_session(tpm::Tpm& tpm);

Result<PublicKey> read_ek(tpm::Tpm& tpm, EkAlgorithm ek);

/// The manufacturer's certificate (DER) of that EK; nothing where the TPM has none.
Result<std::optional<std::vector<std::uint8_t>>> read_ek_certificate(tpm::Tpm& tpm, EkAlgorithm ek);

/// The certificates of the authorities between that one and the manufacturer's root (DER, in the
/// TPM's order); none where the TPM has none (2.2.1.5.2: concatenated in indices 0x01c00100 to
/// 0x01c001ff).
Result<std::vector<std::vector<std::uint8_t>>> read_ek_chain(tpm::Tpm& tpm);

}  // namespace keyscribe::attest
