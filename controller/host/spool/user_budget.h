// SPDX-License-Identifier: Apache-2.0
// How much of the list the keyrings of one user may take: else whoever may make keyrings of a name
// that a rule has fills /run (92 MiB in 75 s were seen). What goes beyond is counted, and the count
// is told.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <vector>

namespace keyscribe::spool {

/// A bucket a user, which an hour fills from empty to full.
class UserBudget {
  public:
    using Clock = std::chrono::steady_clock;

    /// What a user's events went beyond it, and were given up for.
    struct Over {
        std::uint32_t uid = 0;
        std::uint64_t count = 0;
        std::uint64_t first = 0, last = 0;  ///< sequence numbers
    };

    /// `bytes`: what one bucket has; 0: there is no budget.
    explicit UserBudget(std::uint64_t bytes = 0) : bytes_(bytes) {}

    /// Takes the event's bytes out of its owner's bucket. False: they are not in it, and the event
    /// is counted. root has no budget.
    bool admit(std::uint32_t uid, std::uint64_t bytes, std::uint64_t sequence,
               Clock::time_point now);

    /// Returns the counts that are to be told now: the first at once, those of a flood that goes on
    /// ever more rarely, since after each the keyrings are looked at, which the list has too.
    std::vector<Over> due(Clock::time_point now);
    /// What was counted and not told yet.
    std::vector<Over> held() const;

  private:
    struct Bucket {
        double left = 0;  // bytes
        Clock::time_point filled;
        Over over;
        Clock::time_point tell;  // not before
        std::chrono::seconds pause{0};
    };
    std::uint64_t bytes_;
    std::map<std::uint32_t, Bucket> buckets_;
};

}  // namespace keyscribe::spool
