// SPDX-License-Identifier: Apache-2.0
// Where events wait, in order, between capture and measurement: for a moment as a rule, and until
// policy and TPM are ready where they are not.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "controller/host/events/baseline.h"
#include "controller/host/events/key_event.h"
#include "controller/host/events/loss_tracker.h"
#include "controller/host/settings/policy_loader.h"
#include "controller/host/spool/spool_file.h"
#include "controller/host/spool/user_budget.h"

namespace keyscribe::spool {

/// From here on events carry this generation.
struct PolicyChange {
    std::shared_ptr<const settings::LoadedPolicy> loaded;
    std::uint32_t generation = 0;
    /// What the keyrings that it names held when it came into force. An event from before may
    /// follow: the baseline has its effect already, so its record changes nothing.
    std::shared_ptr<const events::Baseline> baseline;
};

/// Runs of a program that the kernel skipped (bpf_prog_info, recursion_misses).
struct Missed {
    std::uint64_t count = 0;
    std::array<char, 64> operations{};  ///< whose program it was (Hook::operations); "": not known
};

/// Events that had to be given up while they waited.
struct Drop {
    enum class Reason { kDeadline, kSize, kVersion, kBudget };
    Reason reason = Reason::kDeadline;
    std::uint64_t count = 0;  ///< 0: how many is not known
    std::uint64_t bytes = 0;  ///< payloads and names
    std::uint64_t first_sequence = 0;
    std::uint64_t last_sequence = 0;
    std::uint64_t next_frame = 0;  ///< their frames in the file are below this number; 0: none
    std::uint32_t uid = 0;         ///< kBudget: whose keyrings and keys they are of
};

/// As the list has it.
std::string_view name_of(Drop::Reason reason);

/// The policy in force when the former process died. It judges what that process left, and stands
/// in the list already.
struct Resume {
    std::shared_ptr<const settings::LoadedPolicy> loaded;
    /// What the keyrings hold now, for a list that does not say who held a key before.
    std::shared_ptr<const events::Baseline> baseline = nullptr;
};

/// The spool's file was changed by somebody else.
struct Tampered {
    std::string what;
};

/// Somebody interfered with what captures: a pin is gone, the ring was read by another one, ...
struct Detached {
    std::string what;
};

/// Capture worked when this was pushed; the list is to say so.
struct Canary {
    std::vector<std::uint8_t> nonce;
};

/// What keyrings hold, asked for anew: see CaptureLoop::refresh_baseline().
struct BaselineRefresh {
    std::shared_ptr<const events::Baseline> baseline;
    /// The list is told only where one of these places holds another key than the events before
    /// this item say. Empty: in any case.
    std::vector<events::PlaceInDoubt> doubts = {};
};

using SpoolItem = std::variant<events::KeyEvent, PolicyChange, events::Loss, Missed, Drop, Resume,
                               Tampered, Detached, Canary, BaselineRefresh>;

struct SpoolTotals {
    std::uint64_t waiting = 0;        ///< events in the spool
    std::uint64_t waiting_bytes = 0;  ///< their payloads and names
    std::uint64_t dropped = 0;        ///< events, since the start
    std::uint64_t untold = 0;         ///< of these: the list is still to be told
    std::uint64_t restored = 0;       ///< events that a former process left
    std::string error;                ///< why the file cannot be written; empty: it can
};

/// A bounded queue between the capturing thread and the measuring one. All members may be called
/// from any thread.
class Spool {
  public:
    using Clock = std::chrono::steady_clock;

    /// `max_bytes`: what waiting events may take; `deadline`: how long one may wait, 0: for ever;
    /// `user_budget`: see UserBudget.
    Spool(std::uint64_t max_bytes, Clock::duration deadline, std::uint64_t user_budget = 0);

    /// Keeps in `file`, from now on, what waits. What a former process left there comes first, and
    /// is judged by `policy`: the list's last one, or nullptr. `list_size`: in bytes. Called before
    /// anything is pushed.
    void keep_in(SpoolFile file, std::uint64_t list_size,
                 std::shared_ptr<const settings::LoadedPolicy> policy);

    /// Adds an event. A full spool keeps what it has and drops the newcomer: what is left is a
    /// history without holes up to a known point.
    void push(events::KeyEvent event);
    void push(std::vector<events::KeyEvent> events);  ///< the same, one after the other
    void push(events::Loss loss);
    void push(Missed missed);
    /// Adds a policy. Where no policy came before, of this process or of a former one, it judges
    /// what waited for it: it goes before everything.
    void push(PolicyChange change);
    void push(Tampered tampered);
    void push(Detached detached);
    void push(Canary canary);

    /// Notes that so many operations were recorded in a version that is not read here.
    void drop_unread(std::uint64_t count);

    /// Counts `received` numbers of that ring as received: their operations came by another ring.
    void account_for(std::uint32_t ring, std::uint64_t received);
    /// Returns how far the ring is read, by what was pushed.
    events::Progress progress() const;
    /// Every number of that ring up to `settled` was pushed or reported as lost.
    void set_progress(std::uint32_t ring, std::uint64_t settled);
    void push(BaselineRefresh refresh);
    /// A BaselineRefresh waits: what it says is not in the list yet.
    bool has_refresh() const;

    /// Writes what was pushed to the file, if there is one. The totals show an error.
    void flush();

    /// Takes the oldest item; waits up to `timeout` for one. Returns nothing before the first
    /// policy is there. A drop comes before everything else.
    std::optional<SpoolItem> pop(Clock::duration timeout);

    /// Returns the token for all items that pop() has given out so far, for begin_commit(); 0: none
    /// of them is in the file.
    std::uint64_t taken() const;
    /// Notes that the list is about to grow from `before` to `after` bytes and then has all items
    /// up to the token `taken`. end_commit(): it has grown. After a failed append it is called
    /// again.
    void begin_commit(std::uint64_t taken, std::uint64_t before, std::uint64_t after);
    void end_commit();
    /// Frees everything that pop() has given out: each item is in the list, or needed no entry.
    void settle();
    /// Nothing waits, and settle() was called since pop() gave something out.
    bool is_settled() const;

    /// Drops events that are older than the deadline, tells of those that went beyond a user's
    /// budget, and looks after the file. Once a second.
    void expire(Clock::time_point now = Clock::now());

    /// Ends all waiting in pop(), which still gives out what is left.
    void close();

    SpoolTotals totals() const;

  private:
    struct Entry {
        Clock::time_point since;
        SpoolItem item;
        std::uint64_t frame = 0;  // its number in the file; 0: it is not there
    };
    Drop& drop_of(Drop::Reason reason, std::uint64_t sequence);
    void note_drop(const events::KeyEvent& event, Drop::Reason reason);
    void note_unread(const Frame& frame);
    void restore(SpoolFile::Found found);
    void add(SpoolItem item);
    void add_event(events::KeyEvent event);
    void put_file_back();
    void flush_locked();

    const std::uint64_t max_bytes_;
    const Clock::duration deadline_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    UserBudget budget_;
    std::deque<Entry> entries_;
    std::deque<Drop>
        drops_;  // recorded before anything newer; at most one for each reason in a row
    SpoolTotals totals_;
    std::optional<SpoolFile> file_;
    std::uint64_t taken_ = 0;
    std::size_t refreshes_ = 0;  // that wait
    bool settled_ = true;        // settle() was called since pop() gave something out
    events::Progress progress_;
    bool open_ = false;  // there is a policy
    bool closed_ = false;
};

}  // namespace keyscribe::spool
