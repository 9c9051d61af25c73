// SPDX-License-Identifier: Apache-2.0
// How far a quote reaches into a list that goes on growing.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "controller/evidence/evidence.h"
#include "controller/host/tpm/tpm.h"

namespace keyscribe::measure {

/// The beginning of a list that a PCR stands for.
struct CoveredPrefix {
    std::uint64_t entries = 0;
    std::size_t bytes = 0;
    tpm::PcrValues values;
};

/// Replays `list` (what is whole of it) into `pcr` and gives the longest beginning after which
/// `matches` is true of the PCR's values; it ends with an entry of that PCR. In Keyscribe's own
/// list
/// (`told`) a keyscribe:foreign entry's values are where the replay goes on from.
std::optional<CoveredPrefix> find_covered(
    Bytes list, Algorithm digests, unsigned pcr, const std::vector<Algorithm>& banks, bool told,
    const std::function<bool(const tpm::PcrValues&)>& matches);

/// All whole entries, whatever the PCR.
CoveredPrefix whole_entries(Bytes list, Algorithm digests);

}  // namespace keyscribe::measure
