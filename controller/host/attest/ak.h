// SPDX-License-Identifier: Apache-2.0
// The attestation key: a restricted signing key, child of the TPM's endorsement key, persistent.
// Sources: TCG EK Credential Profile for TPM 2.0, 2.6, B.3 (templates L-1 and L-2) and 2.2.1.4 (NV
// indices); TCG TPM 2.0 Library, Part 1, 24 (credential activation), Part 3.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"
#include "controller/host/tpm/tpm.h"

namespace keyscribe::attest {

enum class EkAlgorithm { kRsa, kEcc };

/// "ecc" (P-256, ECDSA, SHA-256), "ecc384" (P-384, SHA-384), "rsa" (2048 bits, RSASSA, SHA-256),
/// "rsapss" (2048 bits, RSAPSS, SHA-256).
inline constexpr const char* kAkAlgorithms[] = {"ecc", "ecc384", "rsa", "rsapss"};

struct PublicKey {
    std::vector<std::uint8_t> tpmt_public;  ///< TPMT_PUBLIC, marshalled
    std::vector<std::uint8_t> name;         ///< the TPM's name for it
};

/// Creates the key under the EK and makes it persistent at `handle`.
/// Error: something is there already and `replace` is not set.
Result<PublicKey> create_ak(tpm::Tpm& tpm, std::uint32_t handle, std::string_view algorithm,
                            EkAlgorithm ek, bool replace);

/// Error: nothing at `handle`, or no restricted signing key.
Result<PublicKey> read_ak(tpm::Tpm& tpm, std::uint32_t handle);

/// The endorsement key by the profile's default template; made anew, it is always the same.
Result<PublicKey> read_ek(tpm::Tpm& tpm, EkAlgorithm ek);

/// The manufacturer's certificate (DER) of that EK; nothing where the TPM has none.
Result<std::optional<std::vector<std::uint8_t>>> read_ek_certificate(tpm::Tpm& tpm, EkAlgorithm ek);

/// The secret that a service wrapped for this EK and this AK: it shows that both are in one TPM.
/// `credential` is what tpm2_makecredential(1) writes: 0xbadcc0de, 1 (u32, big-endian),
/// TPM2B_ID_OBJECT, TPM2B_ENCRYPTED_SECRET.
Result<std::vector<std::uint8_t>> activate_credential(tpm::Tpm& tpm, std::uint32_t handle,
                                                      EkAlgorithm ek, Bytes credential);

/// SubjectPublicKeyInfo in PEM. Error: a key of a kind that is not known here.
Result<std::string> to_pem(Bytes tpmt_public);

}  // namespace keyscribe::attest
