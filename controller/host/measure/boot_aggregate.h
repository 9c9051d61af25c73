// SPDX-License-Identifier: Apache-2.0
// IMA's boot_aggregate: ties the list to the firmware's measurements. Source: the kernel's
// security/integrity/ima/ima_crypto.c (ima_calc_boot_aggregate_tfm).
#pragma once

#include <optional>

#include "controller/host/measure/list_writer.h"
#include "controller/host/tpm/tpm.h"

namespace keyscribe::measure {

struct BootAggregate {
    Algorithm algorithm = Algorithm::kSha256;
    Digest digest;  ///< over PCR 0 to 9 of that bank; 0 to 7 for SHA-1
};

/// SHA-256's bank where it is among `banks`, else the first of them.
Result<BootAggregate> boot_aggregate(tpm::Tpm& tpm, const std::vector<Algorithm>& banks);

/// The kernel extends its own boot_aggregate whether or not IMA then measures anything. Where that
/// entry is all of the kernel's list, and all that `found`, the values of `pcr`, are made of, our
/// list can begin with it: a replay from zeros then explains the PCR. Else nothing.
std::optional<NewEntry> kernels_aggregate(Bytes ima_list, unsigned pcr,
                                          const tpm::PcrValues& found);

}  // namespace keyscribe::measure
