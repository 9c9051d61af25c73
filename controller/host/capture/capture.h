// SPDX-License-Identifier: Apache-2.0
// Owns the BPF programs and their maps: attaches them or adopts those that a former process left
// attached, hands out what they record, and gives them the policy's filter.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/error.h"
#include "controller/host/capture/hook_plan.h"
#include "controller/host/capture/pins.h"
#include "controller/host/capture/ring_reader.h"
#include "controller/host/events/key_event.h"
#include "controller/host/events/loss_tracker.h"
#include "controller/host/spool/spool_file.h"

struct keyscribe_bpf;
struct ks_filter;

namespace keyscribe::capture {

/// Since the programs were loaded, but for `numbered`.
struct KernelCounters {
    std::uint64_t filtered = 0;  ///< no rule could match: not sent
    std::uint64_t numbered = 0;  ///< given out, and for this process to receive or to report
    std::uint64_t lost = 0;      ///< the ring was full
    std::uint64_t no_room = 0;   ///< sent without the payload, since the ring was full
    std::uint64_t missed = 0;    ///< the kernel skipped a program (bpf_prog_info, recursion)
    std::map<std::string, std::uint64_t> missed_of;  ///< of each program that it skipped, by name
};

/// What one look at the ring gave.
struct Batch {
    std::vector<events::KeyEvent> events;  ///< in the order of the ring
    std::vector<events::Loss> losses;      ///< gaps in the sequence that nothing can fill any more;
                                           ///< records that did not parse are among them
    std::uint64_t twice = 0;  ///< numbers of this ring whose operations `events` has from the
                              ///< ring of another build
    bool more = false;        ///< there is more in the ring
};

/// Puts events of a former build's ring into safety; returns how far that ring is read then.
/// Called on a thread of its own.
using Keep = std::function<spool::Progress(std::vector<events::KeyEvent>)>;

class Capture {
  public:
    /// Adopts the programs that stand in the BPF file system where they are the ones of this build,
    /// of `plan` and of `ring_size` (bytes, a power of two and a multiple of the page size); else
    /// loads, attaches and pins them. From here on, operations are recorded. Programs of another
    /// build are left attached until activate() or retire_former(); while the new ones load, which
    /// takes seconds, what those record goes to `keep`, if there is one: nobody else reads their
    /// ring, and it must not overflow.
    /// `progress`: how far a former process came.
    static Result<Capture> attach(const HookPlan& plan, std::uint32_t ring_size,
                                  const spool::Progress& progress, const Keep& keep);
    Capture(Capture&&) noexcept;
    Capture& operator=(Capture&&) noexcept;
    ~Capture();

    /// They were there before.
    bool is_adopted() const { return adopted_; }
    /// Programs of another build are still attached.
    bool has_former() const { return !former_.empty(); }
    /// So many of their events went to Keep.
    std::uint64_t kept() const { return kept_; }
    /// They stay when this process ends.
    bool is_pinned() const { return pinned_; }
    /// They go with this process. Error: they stay.
    Result<void> detach();
    /// What went wrong on the way, or was found missing: a sentence each, told once.
    std::vector<std::string> take_findings() { return std::exchange(findings_, {}); }
    /// Looks whether somebody interfered, and repairs what can be repaired: for take_findings().
    void look_after();

    /// Readable when the ring has records; owned by this object.
    int ring_fd() const { return set_.ring.get(); }
    std::uint32_t ring_id() const { return ring_id_; }
    /// Up to here every sequence number was handed out or told as lost.
    std::uint64_t settled() const { return losses_.settled(); }
    /// Of the policy's filter that is in force; 0: none.
    std::uint32_t generation() const;

    /// Takes up to a bounded number of records from the ring. An empty batch: the ring is empty.
    /// They stay in the kernel until release(): the caller has put them into safety.
    Result<Batch> drain();
    void release();

    /// Puts the filter in force. On return no program uses the former one any more, and `before`
    /// has every record that passed the former one (and possibly some of the new generation, to
    /// be told apart by KeyEvent::generation).
    /// Error: nothing has changed, the former filter stays.
    /// The first time it also retires programs of another build, whose records come first, with
    /// generation 0.
    Result<Batch> activate(const ks_filter& filter);

    /// Detaches programs of another build and gives what they recorded; what both saw is told once.
    Result<Batch> retire_former();
    /// What retire_former() gave is in safety.
    void forget_former();

    /// All keyrings that can be asked for: those with a name in this user namespace, and the
    /// kernel's own, whose names begin with a dot. As KS_OP_BASELINE events without a keyring.
    /// What else is in the ring goes to `batch`.
    Result<std::vector<events::KeyEvent>> keyrings(Batch& batch);

    /// The keyring itself (an event without a keyring), then its members, as they stand: what
    /// changes meanwhile is seen by the programs. Empty: it is gone.
    Result<std::vector<events::KeyEvent>> members(std::int32_t keyring, Batch& batch);

    KernelCounters counters() const;

  private:
    Capture();
    Result<void> load(const HookPlan& plan, std::uint32_t ring_size, const Keep& keep);
    Result<void> attach_object(const keyscribe_bpf& bpf, std::uint32_t ring_size,
                               std::uint64_t first);
    Result<void> open_maps(std::uint64_t position);
    void account_for_former(const spool::Progress& progress);
    void find_former(const std::filesystem::path& own);
    void keep_former(const Keep& keep, std::stop_token stop);
    Result<void> detach_former(Batch& batch);
    Batch drain_all();
    bool consume(Batch& batch);
    void consume_all(Batch& batch);
    bool losses_pending() const;
    void settle_losses(Batch& batch);
    Result<std::vector<events::KeyEvent>> ask(std::uint32_t mode, std::int32_t keyring,
                                              Batch& batch);

    struct Receiver;  // takes records one by one
    struct Unmap {
        std::size_t size;
        void operator()(void* memory) const;
    };
    PinnedSet set_;
    std::unique_ptr<void, Unmap> variables_;  // the programs' .bss
    std::unique_ptr<RingReader> ring_;
    std::unique_ptr<Receiver> receiver_;
    std::vector<PinnedSet> former_;                 // of other builds, still attached
    std::vector<events::KeyEvent> adopted_events_;  // found on adopting: of the first batch
    std::vector<events::Loss> found_lost_;          // the same
    spool::Progress progress_;  // of the former process, and of what was kept since
    std::uint64_t kept_ = 0;
    std::vector<std::string> findings_;
    std::uint32_t ring_id_ = 0;
    bool adopted_ = false;
    bool pinned_ = false;
    events::LossTracker losses_;
    std::uint64_t accounted_before_ = 0;  // numbers that are not for this process; modulo 2^64
    std::uint64_t malformed_ = 0;         // records that never became events, since the start
    std::uint64_t reported_ = 0;          // sequence numbers reported as lost, since the start
    std::chrono::steady_clock::time_point settled_at_;
};

/// SHA-256 of the BPF object that is built into this binary, as 32 bytes: for the start record.
std::vector<std::uint8_t> object_digest();

}  // namespace keyscribe::capture
