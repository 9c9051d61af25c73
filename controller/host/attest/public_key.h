// SPDX-License-Identifier: Apache-2.0
// The public part of a key of the TPM.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

typedef struct TPM2B_PUBLIC TPM2B_PUBLIC;

namespace keyscribe::attest {

struct PublicKey {
    std::vector<std::uint8_t> tpmt_public;  ///< TPMT_PUBLIC, marshalled
    std::vector<std::uint8_t> name;         ///< the TPM's name for it (Part 1, 16)
};

/// Error: its name is made with a hash algorithm that is not known here.
Result<PublicKey> to_public_key(const TPM2B_PUBLIC& key);

/// TPM2B_PUBLIC: the size, big-endian, and the TPMT_PUBLIC.
std::vector<std::uint8_t> to_tpm2b(Bytes tpmt_public);

/// SubjectPublicKeyInfo in PEM. Error: a key of a kind that is not known here.
Result<std::string> to_pem(Bytes tpmt_public);

}  // namespace keyscribe::attest
