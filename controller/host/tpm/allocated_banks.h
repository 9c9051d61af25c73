// SPDX-License-Identifier: Apache-2.0
// The PCR banks that a TPM has allocated. Source: TPM 2.0 Library, Part 2, 6.3 (algorithms), 10.9.7
// (TPML_PCR_SELECTION).
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <string>
#include <vector>

#include "controller/base/digest.h"

namespace keyscribe::tpm {

struct AllocatedBanks {
    std::vector<Algorithm> known;
    /// "sm3_256", "sha3_256", or a number: nobody here computes these digests. TPM2_PCR_Extend
    /// leaves a bank alone for which it is given no digest.
    std::vector<std::string> unknown;
};

/// Those in which `pcr` is allocated.
AllocatedBanks allocated_banks(const TPML_PCR_SELECTION& all, unsigned pcr);

}  // namespace keyscribe::tpm
