// SPDX-License-Identifier: Apache-2.0
// PK, KEK, db and dbx as PCR 7 has them, against what the appraisal policy expects there.
#pragma once

#include "controller/service/appraise/firmware_check.h"

namespace keyscribe::appraise {

/// PK, KEK and db: what they hold must be named in the policy, where it names anything, and they
/// must hold something. dbx: what the policy names must be there, and more may be.
void check_variables(const FirmwareCheck& firmware, const AppraisalPolicy& policy,
                     Findings& findings);

}  // namespace keyscribe::appraise
