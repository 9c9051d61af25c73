// SPDX-License-Identifier: Apache-2.0
// The kernel's list of evidence that has only what is new of it, together with what was kept.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "controller/evidence/evidence.h"
#include "controller/service/appraise/finding.h"
#include "controller/service/appraise/state.h"

namespace keyscribe::appraise {

/// The evidence, with the whole of the kernel's list: it then lies in `joined`. Where what was kept
/// does not end where the evidence begins, `findings` say so, and the list is left out.
evidence::Evidence with_kept_ima(const evidence::Evidence& evidence,
                                 const std::optional<KeptState>& kept,
                                 std::shared_ptr<const std::vector<std::uint8_t>>& joined,
                                 Findings& findings);

}  // namespace keyscribe::appraise
