// SPDX-License-Identifier: Apache-2.0
// The attestation key: a restricted signing key, child of the TPM's endorsement key, persistent.
// Sources: TCG TPM 2.0 Library, Part 1, 16 (names) and 24 (credential activation), Part 3.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"
#include "controller/host/attest/endorsement.h"
#include "controller/host/attest/public_key.h"
#include "controller/host/tpm/tpm.h"

namespace keyscribe::attest {

/// "ecc" (P-256, ECDSA, SHA-256), "ecc384" (P-384, SHA-384), "rsa" (2048 bits, RSASSA, SHA-256),
/// "rsapss" (2048 bits, RSAPSS, SHA-256).
inline constexpr const char* kAkAlgorithms[] = {"ecc", "ecc384", "rsa", "rsapss"};

/// Creates the key under the EK and makes it persistent at `handle`.
/// Error: something is there already and `replace` is not set.
Result<PublicKey> create_ak(tpm::Tpm& tpm, std::uint32_t handle, std::string_view algorithm,
                            EkAlgorithm ek, bool replace);

/// Whether there is anything at `handle`.
Result<bool> has_ak(tpm::Tpm& tpm, std::uint32_t handle);

/// Error: nothing at `handle`, or a key that is not as create_ak() makes it, whose private part
/// somebody may therefore have: not fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth,
/// restricted and sign, or with decrypt; or, by its qualified name, no child of this EK.
Result<PublicKey> read_ak(tpm::Tpm& tpm, std::uint32_t handle, EkAlgorithm ek);

/// As read_ak() for each piece of evidence, where a service waits: without the EK where it cannot
/// be made (its hierarchy has a password) or is RSA, which takes a TPM up to half a minute. A
/// service has the qualified name in each quote.
Result<PublicKey> read_ak_quickly(tpm::Tpm& tpm, std::uint32_t handle, EkAlgorithm ek);

/// The secret that a service wrapped for this EK and this AK: it shows that both are in one TPM.
/// `credential` is what tpm2_makecredential(1) writes: 0xbadcc0de, 1 (u32, big-endian),
/// TPM2B_ID_OBJECT, TPM2B_ENCRYPTED_SECRET.
Result<std::vector<std::uint8_t>> activate_credential(tpm::Tpm& tpm, std::uint32_t handle,
                                                      EkAlgorithm ek, Bytes credential);

}  // namespace keyscribe::attest
