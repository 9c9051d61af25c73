// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/other_pcrs.h"

#include <algorithm>

namespace keyscribe::appraise {

PcrBanks values_of(const evidence::Quote& quote, unsigned pcr) {
    PcrBanks banks;
    for (const auto& [bank, values] : quote.pcrs)
        if (const auto value = values.find(pcr); value != values.end())
            banks.emplace_back(bank, value->second);
    return banks;
}

std::string text_of(const PcrBanks& values) {
    std::string text;
    for (const auto& [bank, value] : values)
        text += (text.empty() ? "" : ", ") + std::string(name_of(bank)) + ':' + to_hex(value);
    return text;
}

PcrBanks zeros(const PcrBanks& like) {
    PcrBanks banks;
    for (const auto& [bank, value] : like) banks.emplace_back(bank, filled(bank, 0));
    return banks;
}

OtherPcrs::OtherPcrs(const evidence::Evidence& evidence, const std::vector<Algorithm>& banks,
                     const List& list) {
    for (const evidence::Quote& quote : evidence.quotes)
        for (unsigned pcr = 0; pcr <= evidence::kMaxPcr; ++pcr) {
            PcrBanks quoted = values_of(quote, pcr);
            const bool enough = std::ranges::all_of(banks, [&](Algorithm bank) {
                return std::ranges::find(quoted, bank, &PcrBanks::value_type::first) !=
                       quoted.end();
            });
            if (pcr == list.pcr || is_resettable(pcr) || quoted.empty() || !enough) continue;
            Replayed& replayed = pcrs_[pcr];
            replayed.values = zeros(quoted);
            replayed.quoted = std::move(quoted);
            replayed.reached = replayed.values == replayed.quoted;
        }
    std::uint64_t number = list.before;
    if (pcrs_.empty()) return;
    replay(list.first, list.stored, number);
    replay(list.rest, list.stored, number);
}

void OtherPcrs::replay(Bytes list, Algorithm stored, std::uint64_t& number) {
    list::ListReader reader(list, stored);
    for (;; ++number) {
        const auto entry = reader.next();
        if (!entry || !*entry) return;  // a list that is malformed is told by its own pass
        const auto found = pcrs_.find((*entry)->pcr);
        if (found == pcrs_.end() || found->second.reached) continue;
        Replayed& pcr = found->second;
        for (auto& [bank, value] : pcr.values)
            value = list::extended(bank, value, list::extend_value(**entry, bank));
        pcr.covered = number + 1;
        pcr.reached = pcr.values == pcr.quoted;
    }
}

bool OtherPcrs::replays(unsigned pcr) const {
    const auto found = pcrs_.find(pcr);
    return found != pcrs_.end() && found->second.reached;
}

bool OtherPcrs::covers(unsigned pcr, std::uint64_t entry) const {
    return replays(pcr) && entry < pcrs_.at(pcr).covered;
}

}  // namespace keyscribe::appraise
