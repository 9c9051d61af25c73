// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/finding.h"

#include <algorithm>

namespace keyscribe::appraise {

Findings::Count& Findings::count(std::string_view code) {
    const auto found = std::ranges::find(counts_, code, &Count::code);
    if (found != counts_.end()) return *found;
    counts_.push_back({code});
    return counts_.back();
}

bool Findings::listed(const Code& code) const {
    const auto found = std::ranges::find(counts_, code.name, &Count::code);
    return found == counts_.end() || found->found < kListed;
}

void Findings::add(const Code& code, std::string sentence, Place place) {
    add(code, false, std::move(sentence), place);
}

void Findings::add(const Code& code, bool allowed, std::string sentence, Place place) {
    const Weight weight = allowed ? Weight::kNote : code.weight;
    worst_ = std::max(worst_, weight);
    if (++count(code.name).found > kListed) return;
    if (sentence.size() > kLongest) sentence.replace(kLongest, sentence.npos, "...");
    kept_.push_back({code.name, weight, std::move(sentence), place.list, place.entry});
}

std::vector<Finding> Findings::take() {
    for (const Count& count : counts_) {
        if (count.found <= kListed) continue;
        const auto last =
            std::ranges::find(kept_.rbegin(), kept_.rend(), count.code, &Finding::code);
        last->sentence += " (and " + std::to_string(count.found - kListed) + " more like it)";
    }
    counts_.clear();
    return std::move(kept_);
}

}  // namespace keyscribe::appraise
