// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/boot_aggregate.h"

#include <algorithm>
#include <optional>

#include "controller/service/appraise/codes.h"

namespace keyscribe::appraise {
namespace {

/// Of a quote that is over all of its PCRs.
std::optional<Digest> of_quote(const evidence::Quote& quote, Algorithm bank) {
    const auto values = quote.pcrs.find(bank);
    if (values == quote.pcrs.end()) return std::nullopt;
    const unsigned pcrs = bank == Algorithm::kSha1 ? 8 : 10;
    std::vector<std::uint8_t> all;
    for (unsigned pcr = 0; pcr < pcrs; ++pcr) {
        const auto value = values->second.find(pcr);
        if (value == values->second.end()) return std::nullopt;
        const Bytes bytes = value->second;
        all.insert(all.end(), bytes.begin(), bytes.end());
    }
    return hash(bank, all);
}

}  // namespace

std::vector<Digest> BootAggregate::right_ones(std::string_view algorithm) const {
    const auto bank = algorithm_named(algorithm);
    if (!bank) return {};
    std::vector<Digest> right = firmware_.aggregates(*bank);
    for (const evidence::Quote& quote : evidence_.quotes)
        if (const auto quoted = of_quote(quote, *bank)) right.push_back(*quoted);
    return right;
}

bool BootAggregate::agrees(std::string_view algorithm, Bytes aggregate) const {
    return std::ranges::any_of(right_ones(algorithm), [&](const Digest& one) {
        return std::ranges::equal(Bytes(one), aggregate);
    });
}

bool BootAggregate::check(std::string_view algorithm, Bytes aggregate, Place place) const {
    if (right_ones(algorithm).empty()) {
        const bool required = policy_.evidence.require_boot_aggregate;
        if (required)
            findings_.add(codes::kBootAggregate,
                          "boot_aggregate cannot be compared: its PCRs are not quoted", place);
        return required;
    }
    if (!agrees(algorithm, aggregate))
        findings_.add(codes::kBootAggregate,
                      "boot_aggregate is not that of the quoted PCRs of the firmware", place);
    return true;
}

}  // namespace keyscribe::appraise
