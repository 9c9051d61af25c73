// SPDX-License-Identifier: Apache-2.0
// Which records a timeline tells: all, or of a very long list its beginning, its end, and whatever
// a finding stems from.
#pragma once

#include <algorithm>

#include "controller/service/report/sections.h"

namespace keyscribe::report {

class TimelineBounds {
  public:
    explicit TimelineBounds(const Context& context)
        : context_(context), moments_(context.story->moments()) {}

    /// By the index in Story::moments().
    bool tells(std::size_t moment) const {
        const std::size_t most = context_.input.limits.moments, head = most / 4;
        return moments_.size() <= most || moment < head ||
               moments_.size() - moment <= most - head ||
               (is_first(moment) && context_.findings_at.contains(moments_[moment].entry));
    }
    /// Whether the timeline has an anchor for this entry.
    bool tells_entry(std::uint64_t entry) const {
        auto at = std::ranges::lower_bound(moments_, entry, {}, &Moment::entry);
        for (; at != moments_.end(); ++at) {
            // The payload that stands before its record is told with it.
            if (at->entry != entry && !(at->entry == entry + 1 && at->has_payload)) return false;
            if (tells(static_cast<std::size_t>(at - moments_.begin()))) return true;
        }
        return false;
    }
    /// Of its entry: a batch has many.
    bool is_first(std::size_t moment) const {
        return moment == 0 || moments_[moment - 1].entry != moments_[moment].entry;
    }

  private:
    const Context& context_;
    const std::vector<Moment>& moments_;
};

}  // namespace keyscribe::report
