// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/covered_prefix.h"

#include "controller/host/measure/replay_entry.h"
#include "controller/list/list_reader.h"

namespace keyscribe::measure {

using list::ListReader;
using tpm::PcrValues;

std::optional<CoveredPrefix> find_covered(Bytes list, Algorithm digests, unsigned pcr,
                                          const std::vector<Algorithm>& banks, bool told,
                                          const std::function<bool(const PcrValues&)>& matches) {
    CoveredPrefix now;
    for (const Algorithm bank : banks) now.values[bank] = filled(bank, 0);
    std::optional<CoveredPrefix> found;
    if (matches(now.values)) found = now;
    ListReader reader(list, digests);
    // The last entry may be half written: what a quote covers was whole before.
    for (auto entry = reader.next(); entry && *entry; entry = reader.next()) {
        ++now.entries;
        now.bytes = reader.offset();
        if ((*entry)->pcr != pcr) continue;
        if (told)
            now.values = replay_entry(now.values, **entry);
        else
            for (auto& [bank, value] : now.values)
                value = list::extended(bank, value, list::extend_value(**entry, bank));
        if (matches(now.values)) found = now;
    }
    return found;
}

CoveredPrefix whole_entries(Bytes list, Algorithm digests) {
    CoveredPrefix all;
    ListReader reader(list, digests);
    for (auto entry = reader.next(); entry && *entry; entry = reader.next()) ++all.entries;
    all.bytes = reader.offset();
    return all;
}

}  // namespace keyscribe::measure
