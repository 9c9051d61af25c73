// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/replay_entry.h"

#include <optional>

#include "controller/host/records/records.h"
#include "controller/list/template_data.h"

namespace keyscribe::measure {
std::optional<tpm::PcrValues> values_before(const list::Entry& entry) {
    const auto fields = list::decode_fields(entry.template_name, entry.template_data);
    if (!fields || fields->name != "keyscribe:foreign" || !fields->third) return std::nullopt;
    auto values = records::foreign_values(*fields->third);
    return values ? std::optional(*values) : std::nullopt;
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
