// SPDX-License-Identifier: Apache-2.0
// Programs of other builds that are still attached: they are read until those of this build are
// attached, and then detached, without a gap.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "controller/base/error.h"
#include "controller/host/capture/pins.h"
#include "controller/host/events/key_event.h"
#include "controller/host/events/loss_tracker.h"
#include "controller/host/events/progress.h"

namespace keyscribe::capture {

/// Puts events of a previous build's ring into safety; returns how far that ring is read then.
/// Called on a thread of its own.
using Keep = std::function<events::Progress(std::vector<events::KeyEvent>)>;

class PreviousBuilds {
  public:
    PreviousBuilds() = default;
    /// Those that are pinned beside `own`. Those that are not whole are unpinned, and told
    /// in `findings`. `progress`: how far the former process read its ring.
    PreviousBuilds(const std::filesystem::path& own, const events::Progress& progress,
                   std::vector<std::string>& findings);

    bool is_empty() const { return sets_.empty(); }
    /// Returns where the numbers of new programs begin: no number is given out twice.
    std::uint64_t first_free_number() const;

    /// Reads the ring that the former process read until it is told to stop. The rest, and what is
    /// lost, is found by detach().
    void read(const Keep& keep, const std::stop_token& stop);
    /// So many events went to Keep.
    std::uint64_t kept() const { return kept_; }

    /// What they recorded until they were detached.
    struct Rest {
        std::vector<events::KeyEvent> events;
        std::vector<events::Loss> losses;
        std::uint64_t unread = 0;  ///< operations whose records this build cannot read
    };
    /// Detaches them. `own_ring`: id of the ring of this build.
    Result<Rest> detach(std::uint32_t own_ring);
    /// What detach() gave is in safety.
    void forget();

  private:
    std::vector<PinnedSet> sets_;
    events::Progress progress_;  // of the former process, and of what was kept since
    std::uint64_t kept_ = 0;
    std::map<std::uint32_t, std::uint64_t> unread_;  // Rest::unread, by ring
};

}  // namespace keyscribe::capture
