// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/replay_entry.h"

#include <optional>

#include "controller/list/record.h"
#include "controller/list/template_format.h"

namespace keyscribe::measure {
std::optional<tpm::PcrValues> values_before(const list::Entry& entry) {
    const auto fields = list::decode_fields(entry.template_name, entry.template_data);
    if (!fields || list::record_kind(fields->name) != list::kForeign || !fields->third())
        return std::nullopt;
    const auto record = list::parse_record(fields->name, *fields->third());
    if (!record) return std::nullopt;
    const auto& told = std::get<list::Foreign>(*record).values;
    return tpm::PcrValues(told.begin(), told.end());
}

tpm::PcrValues replay_entry(const tpm::PcrValues& values, const list::Entry& entry) {
    const auto told = values_before(entry);
    tpm::PcrValues next;
    for (const auto& [bank, value] : values) {
        const Digest& from = told && told->contains(bank) ? told->at(bank) : value;
        next[bank] = list::extended(bank, from, list::extend_value(entry, bank));
    }
    return next;
}

}  // namespace keyscribe::measure
