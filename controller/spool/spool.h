// SPDX-License-Identifier: Apache-2.0
// Where events wait, in order, between capture and measurement: for a moment as a rule, and until
// policy and TPM are ready where they are not.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>

#include "controller/capture/loss_tracker.h"
#include "controller/key_event.h"
#include "controller/policy_loader.h"

namespace keyscribe {

/// From here on events carry this generation.
struct PolicyChange {
    std::shared_ptr<const LoadedPolicy> loaded;
    std::uint32_t generation = 0;
};

/// Runs of a program that the kernel skipped (bpf_prog_info, recursion_misses).
struct Missed {
    std::uint64_t count = 0;
};

/// Events that had to be given up while they waited.
struct Drop {
    enum class Reason { kDeadline, kSize };
    Reason reason = Reason::kDeadline;
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;  ///< payloads and names
    std::uint64_t first_sequence = 0;
    std::uint64_t last_sequence = 0;
};

using SpoolItem = std::variant<KeyEvent, PolicyChange, capture::Loss, Missed, Drop>;

struct SpoolTotals {
    std::uint64_t waiting = 0;        ///< events in the spool
    std::uint64_t waiting_bytes = 0;  ///< their payloads and names
    std::uint64_t dropped = 0;        ///< events, since the start
};

/// A bounded queue between the capturing thread and the measuring one. All members may be called
/// from any thread.
class Spool {
  public:
    using Clock = std::chrono::steady_clock;

    /// `max_bytes`: what waiting events may take; `deadline`: how long one may wait, 0: for ever.
    Spool(std::uint64_t max_bytes, Clock::duration deadline);

    /// A full spool keeps what it has and drops the newcomer: what is left is a history without
    /// holes up to a point that is known.
    void push(KeyEvent event);
    void push(capture::Loss loss);
    void push(Missed missed);
    void push(PolicyChange change);

    /// The first policy of all: it judges what waited for it, so it goes before everything.
    void push_first(PolicyChange change);

    /// Takes the oldest item. Waits up to `timeout` for one. Nothing is given out before the first
    /// policy is there; drops are told as soon as there is one.
    std::optional<SpoolItem> pop(Clock::duration timeout);

    /// Drops events that are older than the deadline.
    void expire(Clock::time_point now = Clock::now());

    /// Wakes pop() for good; it still hands out what is left.
    void close();

    SpoolTotals totals() const;

  private:
    struct Entry {
        Clock::time_point since;
        SpoolItem item;
    };
    void note_drop(const KeyEvent& event, Drop::Reason reason);

    const std::uint64_t max_bytes_;
    const Clock::duration deadline_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Entry> entries_;
    std::deque<Drop> drops_;  // recorded before anything newer; at most one for each reason in a row
    SpoolTotals totals_;
    bool open_ = false;  // there is a policy
    bool closed_ = false;
};

}  // namespace keyscribe
