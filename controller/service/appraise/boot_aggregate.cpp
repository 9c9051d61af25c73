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

bool BootAggregate::check(std::string_view algorithm, Bytes aggregate, Place place) const {
    const auto bank = algorithm_named(algorithm);
    std::vector<Digest> right;
    if (bank) right = firmware_.aggregates(*bank);
    for (const evidence::Quote& quote : evidence_.quotes)
        if (const auto quoted = bank ? of_quote(quote, *bank) : std::nullopt)
            right.push_back(*quoted);
    if (right.empty()) {
        const bool required = policy_.evidence.require_boot_aggregate;
        if (required)
            findings_.add(codes::kBootAggregate,
                          "boot_aggregate cannot be compared: its PCRs are not quoted", place);
        return required;
    }
    if (std::ranges::none_of(
            right, [&](const Digest& one) { return std::ranges::equal(Bytes(one), aggregate); }))
        findings_.add(codes::kBootAggregate,
                      "boot_aggregate is not that of the quoted PCRs of the firmware", place);
    return true;
}

}  // namespace keyscribe::appraise
