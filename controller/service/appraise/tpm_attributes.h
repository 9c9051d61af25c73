// SPDX-License-Identifier: Apache-2.0
// What a TPM key's attributes say of it. Source: TPM 2.0 Library, Part 2, 8.3 (TPMA_OBJECT).
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <string>

namespace keyscribe::appraise {

/// What is wrong with the attributes of a key that only a TPM has had: without fixedTPM,
/// fixedParent and sensitiveDataOrigin it can have come from outside or be taken elsewhere, without
/// restricted it works on what others made. Of sign and decrypt it is to have one, and not
/// `unwanted`. As "not fixedTPM, sign"; "": nothing.
std::string wrong_attributes(TPMA_OBJECT attributes, TPMA_OBJECT unwanted);

}  // namespace keyscribe::appraise
