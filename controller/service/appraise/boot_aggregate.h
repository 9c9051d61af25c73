// SPDX-License-Identifier: Apache-2.0
// boot_aggregate: the digest of PCR 0 to 9 (of SHA-1: 0 to 7) that begins IMA's list and
// Keyscribe's.
#pragma once

#include <string_view>
#include <vector>

#include "controller/evidence/evidence.h"
#include "controller/service/appraise/finding.h"
#include "controller/service/appraise/firmware_check.h"
#include "controller/service/appraise/policy.h"

namespace keyscribe::appraise {

class BootAggregate {
  public:
    BootAggregate(const evidence::Evidence& evidence, const AppraisalPolicy& policy,
                  const FirmwareCheck& firmware, Findings& findings)
        : evidence_(evidence), policy_(policy), firmware_(firmware), findings_(findings) {}

    /// Compares it with the firmware's PCRs: as the log gives them, since IMA computes it before
    /// the system extends any, or as they are quoted. Returns whether there was anything to compare
    /// it with, or had to be.
    bool check(std::string_view algorithm, Bytes aggregate, Place place) const;
    /// Whether it is that of the PCRs as the log gives them, or as they are quoted.
    bool agrees(std::string_view algorithm, Bytes aggregate) const;

  private:
    std::vector<Digest> right_ones(std::string_view algorithm) const;

    const evidence::Evidence& evidence_;
    const AppraisalPolicy& policy_;
    const FirmwareCheck& firmware_;
    Findings& findings_;
};

}  // namespace keyscribe::appraise
