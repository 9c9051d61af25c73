// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/finding.h"

#include <algorithm>

namespace keyscribe::appraise {

/// A hundred notes must not hide the one of the same code that counts.
Findings::Count& Findings::count(std::string_view code, Weight weight) {
    const auto found = std::ranges::find_if(
        counts_, [&](const Count& one) { return one.code == code && one.weight == weight; });
    if (found != counts_.end()) return *found;
    counts_.push_back({code, weight});
    return counts_.back();
}

void Findings::add(const Code& code, std::string sentence, Place place) {
    add(code, false, std::move(sentence), place);
}

void Findings::add(const Code& code, bool allowed, std::string sentence, Place place) {
    const Weight weight = allowed ? Weight::kNote : code.weight;
    worst_ = std::max(worst_, weight);
    if (++count(code.name, weight).found > kListed) return;
    if (sentence.size() > kLongest) sentence.replace(kLongest, sentence.npos, "...");
    kept_.push_back({code.name, weight, std::move(sentence), place.list, place.entry});
}

std::vector<Finding> Findings::take() {
    for (const Count& count : counts_) {
        if (count.found <= kListed) continue;
        const auto last =
            std::find_if(kept_.rbegin(), kept_.rend(), [&count](const Finding& finding) {
                return finding.code == count.code && finding.weight == count.weight;
            });
        last->sentence += " (and " + std::to_string(count.found - kListed) + " more like it)";
    }
    counts_.clear();
    return std::move(kept_);
}

}  // namespace keyscribe::appraise
