// SPDX-License-Identifier: Apache-2.0
// Reference values as Keylime's verifier takes them. Source of the format: keylime/ima/ima.py
// (RUNTIME_POLICY_SCHEMA, _validate_ima_buf), read at commit 9b1f6e6; KEYLIME.md says what fits.
#pragma once

#include <string>

#include "controller/base/error.h"
#include "controller/service/appraise/policy.h"
#include "controller/service/appraise/references.h"

namespace keyscribe::appraise {

/// A runtime policy with every member that Keylime's schema requires, as JSON: `keyrings` has the
/// SHA-256 of each certificate that may stand there, `excludes` lets pass those of Keyscribe's
/// records that say nothing against the host, by `policy`.
/// `keyrings`: their names. Where empty, those that `policy` watches by name, and the references'
/// sub-folders. Error: no keyring is known, one without a reference value, or with a name that
/// Keylime cannot read in a list.
Result<std::string> keylime_policy(const ReferenceValues& references, const AppraisalPolicy& policy,
                                   Names keyrings);

}  // namespace keyscribe::appraise
