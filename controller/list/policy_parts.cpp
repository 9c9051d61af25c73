// SPDX-License-Identifier: Apache-2.0
#include "controller/list/policy_parts.h"

#include <utility>

namespace keyscribe::list {

void PolicyParts::complete(Record& record) {
    if (auto* part = std::get_if<PolicyPart>(&record)) {
        parts_.insert(parts_.end(), part->files.begin(), part->files.end());
    } else if (auto* policy = std::get_if<Policy>(&record)) {
        join(*policy);
    } else if (std::holds_alternative<Start>(record)) {
        // The daemon died between the parts and the policy. The next one writes all of them anew.
        parts_.clear();
    }
}

/// A file's pieces follow each other. No policy has two files of one name.
void PolicyParts::join(Policy& policy) {
    texts_.clear();
    if (parts_.empty()) return;
    std::vector<PolicyFile> pieces = std::exchange(parts_, {});
    pieces.insert(pieces.end(), policy.files.begin(), policy.files.end());
    policy.files.clear();
    for (std::size_t i = 0; i < pieces.size();) {
        const std::string_view name = pieces[i].name;
        std::size_t end = i + 1;
        while (end < pieces.size() && pieces[end].name == name) ++end;
        PolicyFile& file = policy.files.emplace_back(pieces[i]);
        if (end - i > 1) {
            std::string& text = texts_.emplace_back();
            for (; i < end; ++i) text += pieces[i].text;
            file.text = text;
        }
        i = end;
    }
}

}  // namespace keyscribe::list
