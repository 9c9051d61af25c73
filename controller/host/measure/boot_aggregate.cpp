// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/boot_aggregate.h"

#include <algorithm>

#include "controller/list/list_reader.h"
#include "controller/list/template_format.h"

namespace keyscribe::measure {

Result<BootAggregate> boot_aggregate(tpm::Tpm& tpm, const std::vector<Algorithm>& banks) {
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

std::optional<NewEntry> kernels_aggregate(Bytes ima_list, unsigned pcr,
                                          const tpm::PcrValues& found) {
    const auto entries = list::read_list(ima_list);
    if (!entries || entries->size() != 1) return std::nullopt;
    const list::Entry& entry = entries->front();
    const auto fields = list::decode_fields(entry.template_name, entry.template_data);
    if (entry.pcr != pcr || !fields || fields->name != "boot_aggregate" ||
        (fields->third() && !fields->third()->empty()))
        return std::nullopt;
    for (const auto& [bank, value] : found)
        if (list::extended(bank, filled(bank, 0), list::extend_value(entry, bank)) != value)
            return std::nullopt;
    return NewEntry{pcr,
                    std::string(entry.template_name),
                    {entry.template_data.begin(), entry.template_data.end()},
                    true};
}

}  // namespace keyscribe::measure
