// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/list_start.h"

#include <algorithm>

#include "controller/list/record.h"

namespace keyscribe::appraise {

bool read_foreign(const TemplateFields& fields, unsigned pcr, PcrBanks& values) {
    const auto record = list::parse_record(fields.name, fields.more[0]);
    const auto* foreign = record ? std::get_if<list::Foreign>(&*record) : nullptr;
    if (foreign == nullptr || foreign->pcr != pcr) return false;
    for (const auto& [bank, digest] : foreign->values) {
        const auto value = std::ranges::find(values, bank, &PcrBanks::value_type::first);
        if (value != values.end()) value->second = digest;
    }
    return true;
}

void ListStart::entry(std::uint64_t number, const list::Entry& entry) {
    if (number >= kForeignEntry || entry.pcr != pcr_) return;
    for (PcrBanks& values : values_)
        for (auto& [bank, value] : values)
            value = list::extended(bank, value, list::extend_value(entry, bank));
}

bool ListStart::explains(std::uint64_t number, const PcrBanks& foreign) const {
    return number == kForeignEntry && std::ranges::find(values_, foreign) != values_.end();
}

}  // namespace keyscribe::appraise
