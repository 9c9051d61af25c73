// SPDX-License-Identifier: Apache-2.0
// Owns the BPF programs and their maps: attaches them, hands out what they record, and gives them
// the policy's filter.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "controller/capture/hook_plan.h"
#include "controller/capture/loss_tracker.h"
#include "controller/error.h"
#include "controller/key_event.h"

struct keyscribe_bpf;
struct ks_filter;
struct ring_buffer;

namespace keyscribe::capture {

/// Since the programs were loaded. Operations seen = filtered + numbered; records received =
/// numbered - lost - what still stands in the ring.
struct KernelCounters {
    std::uint64_t filtered = 0;  ///< no rule could match: not sent
    std::uint64_t numbered = 0;  ///< sequence numbers given out
    std::uint64_t lost = 0;      ///< the ring was full
    std::uint64_t no_room = 0;   ///< sent without the payload, since the ring was full
    std::uint64_t missed = 0;    ///< the kernel skipped the program (bpf_prog_info, recursion)
};

/// What one look at the ring gave.
struct Batch {
    std::vector<KeyEvent> events;  ///< in the order of the ring
    std::vector<Loss> losses;      ///< gaps in the sequence that nothing can fill any more; records
                               ///< that did not parse are among them
};

class Capture {
  public:
    /// Loads and attaches what `plan` says; from here on, operations are recorded.
    /// `ring_size` in bytes, a power of two and a multiple of the page size.
    static Result<Capture> attach(const HookPlan& plan, std::uint32_t ring_size);
    Capture(Capture&&) noexcept;
    Capture& operator=(Capture&&) noexcept;
    ~Capture();

    /// Readable when the ring has records; owned by this object.
    int ring_fd() const;

    /// Takes up to a bounded number of records from the ring. An empty batch: the ring is empty.
    Result<Batch> drain();

    /// Puts the filter in force. On return no program uses the former one any more, and `before`
    /// has every record that passed the former one (and possibly some of the new generation, to
    /// be told apart by KeyEvent::generation).
    /// Error: nothing has changed, the former filter stays.
    Result<Batch> activate(const ks_filter& filter);

    /// All keyrings that can be asked for: those with a name in this user namespace, and the
    /// kernel's own, whose names begin with a dot. As KS_OP_BASELINE events without a keyring.
    /// What else is in the ring goes to `batch`.
    Result<std::vector<KeyEvent>> keyrings(Batch& batch);

    /// The keyring itself (an event without a keyring), then its members, as they stand: what
    /// changes meanwhile is seen by the programs. Empty: it is gone.
    Result<std::vector<KeyEvent>> members(std::int32_t keyring, Batch& batch);

    KernelCounters counters() const;

  private:
    Capture();
    Result<bool> consume(Batch& batch);
    Result<void> consume_all(Batch& batch);
    bool losses_pending() const;
    Result<void> settle_losses(Batch& batch);
    Result<std::vector<KeyEvent>> ask(std::uint32_t mode, std::int32_t keyring, Batch& batch);

    struct Closer {
        void operator()(keyscribe_bpf* object) const;
        void operator()(ring_buffer* ring) const;
    };
    struct Receiver;  // what libbpf's callback writes to; its address must not change
    std::unique_ptr<keyscribe_bpf, Closer> bpf_;
    std::unique_ptr<ring_buffer, Closer> ring_;
    std::unique_ptr<Receiver> receiver_;
    std::vector<int> programs_;  // fds of the loaded programs, owned by bpf_
    std::uint32_t ring_size_ = 0;
    LossTracker losses_;
    std::uint64_t malformed_ = 0;  // records that never became events, since the start
    std::uint64_t reported_ = 0;   // sequence numbers reported as lost, since the start
    std::chrono::steady_clock::time_point settled_at_;
};

/// SHA-256 of the BPF object that is built into this binary, as 32 bytes: for the start record.
std::vector<std::uint8_t> object_digest();

}  // namespace keyscribe::capture
