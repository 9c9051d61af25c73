// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/kept_ima.h"

#include "controller/service/appraise/codes.h"

namespace keyscribe::appraise {

evidence::Evidence with_kept_ima(const evidence::Evidence& evidence,
                                 const std::optional<KeptState>& kept,
                                 std::shared_ptr<const std::vector<std::uint8_t>>& joined,
                                 Findings& findings) {
    evidence::Evidence whole = evidence;
    if (!whole.ima || whole.ima->from_entry == 0) return whole;
    const evidence::ImaList added = *whole.ima;
    whole.ima.reset();
    if (!kept || kept->ima.empty()) {
        findings.add(codes::kStateMissing,
                     "the evidence has only what is new of the kernel's list, and nothing is kept "
                     "of what was before");
        return whole;
    }
    if (kept->ima_entries != added.from_entry || kept->ima.size() != added.offset ||
        kept->ima_algorithm != added.algorithm) {
        findings.add(codes::kStateGap, "the kernel's list in the evidence begins at entry " +
                                           std::to_string(added.from_entry) +
                                           ", and what is kept ends before entry " +
                                           std::to_string(kept->ima_entries));
        return whole;
    }
    auto both = std::make_shared<std::vector<std::uint8_t>>(kept->ima.begin(), kept->ima.end());
    both->insert(both->end(), added.data.begin(), added.data.end());
    whole.ima = evidence::ImaList{
        .algorithm = added.algorithm, .entries = kept->ima_entries + added.entries, .data = *both};
    joined = std::move(both);
    return whole;
}

}  // namespace keyscribe::appraise
