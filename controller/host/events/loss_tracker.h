// SPDX-License-Identifier: Apache-2.0
// Tells which sequence numbers never arrived. Numbers are given out before space is reserved, so
// with several CPUs they arrive slightly out of order: a gap is a loss only once every program
// that could still fill it has finished.
#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

namespace keyscribe::events {

/// Sequence numbers that never arrived, both ends included.
struct Loss {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t count = 0;  ///< how many of these are lost; 0: all
    std::uint64_t lost() const { return count != 0 ? count : last - first + 1; }
    bool operator==(const Loss&) const = default;
};

class LossTracker {
  public:
    /// Every number up to `settled` has arrived, or was reported, or was never given out.
    explicit LossTracker(std::uint64_t settled = 0) : settled_(settled) {}

    void arrived(std::uint64_t number) {
        if (number <= settled_) return;
        if (number == settled_ + 1 && early_.empty()) {
            ++settled_;
            return;
        }
        early_.insert(number);
        while (!early_.empty() && *early_.begin() == settled_ + 1) {
            early_.erase(early_.begin());
            ++settled_;
        }
    }

    /// Every number up to this has arrived or was reported.
    std::uint64_t settled() const { return settled_; }

    /// Returns what is lost of the numbers up to `last`, each once. The caller knows that none of
    /// them is still under way.
    std::vector<Loss> settle(std::uint64_t last) {
        std::vector<Loss> losses;
        while (settled_ < last) {
            const std::uint64_t next = early_.empty() ? last + 1 : *early_.begin();
            if (next > settled_ + 1) {
                losses.push_back({.first = settled_ + 1, .last = std::min(next - 1, last)});
                settled_ = losses.back().last;
            }
            while (!early_.empty() && *early_.begin() == settled_ + 1) {
                early_.erase(early_.begin());
                ++settled_;
            }
        }
        return losses;
    }

  private:
    std::uint64_t settled_ = 0;
    std::set<std::uint64_t> early_;  // arrived, with a gap before them
};

}  // namespace keyscribe::events
