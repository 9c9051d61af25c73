// SPDX-License-Identifier: Apache-2.0
// Owns the BPF programs and their maps: attaches them or adopts those that a former process left
// attached, hands out what they record, and gives them the policy's filter.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/error.h"
#include "controller/host/capture/hook_plan.h"
#include "controller/host/capture/pins.h"
#include "controller/host/capture/previous_builds.h"
#include "controller/host/capture/ring_reader.h"
#include "controller/host/events/kernel_counters.h"
#include "controller/host/events/key_event.h"
#include "controller/host/events/loss_tracker.h"
#include "controller/host/events/progress.h"

struct ks_filter;

namespace keyscribe::capture {

struct Answer;

/// What one look at the ring gave.
struct Batch {
    std::vector<events::KeyEvent> events;  ///< in the order of the ring
    std::vector<events::Loss> losses;      ///< gaps in the sequence that nothing can fill any more;
                                           ///< records that did not parse are among them
    std::uint64_t twice = 0;   ///< numbers of this ring whose operations `events` has from the
                               ///< ring of another build
    std::uint64_t unread = 0;  ///< operations that a build of another version recorded
    bool more = false;         ///< there is more in the ring
};

class Capture {
  public:
    /// Adopts the programs that stand in the BPF file system where they are the ones of this build,
    /// of `plan` and of `ring_size` (bytes, a power of two and a multiple of the page size); else
    /// loads, attaches and pins them. From here on, operations are recorded. Programs of another
    /// build are left attached until activate() or detach_previous_build(); while the new ones
    /// load, which takes seconds, what those record goes to `keep`, if there is one: nobody else
    /// reads their ring, and it must not overflow. `progress`: how far a former process came.
    /// `kernel`: the running kernel's types.
    static Result<Capture> attach(const HookPlan& plan, const KernelBtf& kernel,
                                  std::uint32_t ring_size, const events::Progress& progress,
                                  const Keep& keep);
    Capture(Capture&&) noexcept;
    Capture& operator=(Capture&&) noexcept;
    ~Capture();

    /// A former process attached the programs.
    bool is_adopted() const { return adopted_; }
    /// Programs of another build are still attached.
    bool has_previous_build() const { return !previous_.is_empty(); }
    /// Returns how many events of a previous build went to Keep.
    std::uint64_t kept() const { return previous_.kept(); }
    /// The programs stay attached when this process ends.
    bool is_pinned() const { return pinned_; }
    /// Unpins the programs: they go with this process. Error: they stay.
    Result<void> detach();
    /// Returns what went wrong, or was found missing: a sentence each, and each once.
    std::vector<std::string> take_findings() { return std::exchange(findings_, {}); }
    /// Looks whether somebody interfered, and repairs what can be repaired; take_findings() tells.
    void look_after();
    /// Looks whether the kernel still runs the programs, by the tables that the policy was compiled
    /// to, and puts back what somebody changed; take_findings() tells. Returns true where what
    /// keyrings hold has to be asked for anew. What else was in the ring goes to `meanwhile`.
    bool check_alive(Batch& meanwhile);
    /// At the last check_alive() the programs that can be asked ran, and the ring worked.
    bool is_alive() const;
    /// One of them did not, which may be by chance: check_alive() tells next time.
    bool has_doubts() const;

    /// Readable when the ring has records; owned by this object.
    int ring_fd() const { return set_.ring.get(); }
    std::uint32_t ring_id() const { return ring_id_; }
    /// Every sequence number up to this one was handed out or reported as lost.
    std::uint64_t settled() const { return losses_.settled(); }
    /// Returns the generation of the filter in force; 0: none.
    std::uint32_t generation() const;

    /// Takes a bounded number of records from the ring; an empty batch: it is empty. They stay in
    /// the ring until release(), which the caller calls when they are in the spool.
    Result<Batch> drain();
    void release();

    /// Puts the filter in force. On return no program uses the former one any more. Returns every
    /// record that passed the former one, and possibly some of the new one: KeyEvent::generation
    /// tells. The first time it also detaches programs of another build, whose records come first,
    /// with generation 0. Error: nothing has changed, the former filter stays.
    Result<Batch> activate(const ks_filter& filter);

    /// Detaches programs of another build and returns what they recorded. What both builds recorded
    /// is in it once.
    Result<Batch> detach_previous_build();
    /// Unpins their maps: what detach_previous_build() returned is in the spool.
    void forget_previous_build() { previous_.forget(); }

    /// Returns all keyrings that can be asked for, as KS_OP_BASELINE events without a keyring:
    /// those with a name in this user namespace, and the kernel's own, whose names begin with a
    /// dot. What else is in the ring goes to `batch`.
    Result<std::vector<events::KeyEvent>> keyrings(Batch& batch);

    /// Returns the keyring itself (an event without a keyring), then its members, as they stand;
    /// empty where it is gone, of whichever user namespace. The programs record what changes
    /// meanwhile.
    Result<std::vector<events::KeyEvent>> members(std::int32_t keyring, Batch& batch);

    events::KernelCounters counters() const;

  private:
    struct Canary;  // what check_alive() keeps, in canary.cpp
    struct FreeCanary {
        void operator()(Canary* canary) const;
    };
    Capture();
    Result<void> load(const HookPlan& plan, const KernelBtf& kernel, std::uint32_t ring_size,
                      const Keep& keep);
    Result<void> open_maps(std::uint64_t position);
    void account_for_former(const events::Progress& progress);
    Batch drain_all();
    bool consume(Batch& batch);
    void consume_all(Batch& batch);
    bool losses_pending() const;
    void settle_losses(Batch& batch);
    Result<std::vector<events::KeyEvent>> ask(std::uint32_t mode, std::int32_t keyring,
                                              Batch& batch);

    static std::unique_ptr<Canary, FreeCanary> make_canary();
    bool restore_variables();
    bool is_canary_changed();
    std::optional<Answer> destroyed_keys();
    std::map<std::string, Answer> ask_programs();
    std::string operations_of(const std::vector<std::string>& programs) const;

    struct Receiver;  // takes records one by one
    struct Unmap {
        std::size_t size;
        void operator()(void* memory) const;
    };
    PinnedSet set_;
    std::map<std::string, std::string> operations_of_;  // Hook::operations, by program
    std::unique_ptr<void, Unmap> variables_;            // the programs' .bss
    std::unique_ptr<RingReader> ring_;
    std::unique_ptr<Receiver> receiver_;
    PreviousBuilds previous_;
    std::vector<events::KeyEvent> adopted_events_;  // found on adopting: of the first batch
    std::vector<events::Loss> found_lost_;          // the same
    std::vector<std::string> findings_;
    std::uint32_t ring_id_ = 0;
    bool adopted_ = false;
    bool pinned_ = false;
    events::LossTracker losses_;
    std::uint64_t accounted_before_ = 0;  // numbers that are not for this process; modulo 2^64
    std::uint64_t malformed_ = 0;         // records that never became events, since the start
    std::uint64_t reported_ = 0;          // sequence numbers reported as lost, since the start
    std::chrono::steady_clock::time_point settled_at_;
    std::unique_ptr<ks_filter> in_force_;  // as activate() wrote it
    std::unique_ptr<Canary, FreeCanary> canary_;
};

/// SHA-256 of the BPF object that is built into this binary, as 32 bytes: for the start record.
std::vector<std::uint8_t> object_digest();

}  // namespace keyscribe::capture
