// SPDX-License-Identifier: Apache-2.0
#include "controller/measure/boot_aggregate.h"

#include <algorithm>

namespace keyscribe::measure {

Result<BootAggregate> boot_aggregate(Tpm& tpm, const std::vector<Algorithm>& banks) {
    const bool has_sha256 = std::ranges::find(banks, Algorithm::kSha256) != banks.end();
    const Algorithm bank = has_sha256 ? Algorithm::kSha256 : banks.front();
    std::vector<unsigned> pcrs{0, 1, 2, 3, 4, 5, 6, 7};
    if (bank != Algorithm::kSha1) pcrs.insert(pcrs.end(), {8, 9});
    auto values = tpm.read_pcrs(bank, pcrs);
    if (!values) return std::unexpected(values.error());
    std::vector<std::uint8_t> all;
    for (const Digest& value : *values) {
        const Bytes bytes = value;
        all.insert(all.end(), bytes.begin(), bytes.end());
    }
    return BootAggregate{bank, hash(bank, all)};
}

}  // namespace keyscribe::measure
