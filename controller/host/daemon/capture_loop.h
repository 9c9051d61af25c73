// SPDX-License-Identifier: Apache-2.0
// Carries events from the programs' ring to the spool. Lives on the main thread; counters() alone
// is called from others.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "controller/host/capture/capture.h"
#include "controller/host/daemon/known_keyrings.h"
#include "controller/host/daemon/nested_keyrings.h"
#include "controller/host/daemon/order_watch.h"
#include "controller/host/daemon/unidentified_keys.h"
#include "controller/host/spool/spool.h"
#include "controller/host/status/status.h"

namespace keyscribe::daemon {

/// What a look at the ring found: nothing, all that there was, or some of it.
enum class Drained { kNothing, kAll, kSome };

class CaptureLoop {
  public:
    using Clock = std::chrono::steady_clock;

    /// `known`: keyrings that the list of a former process has.
    CaptureLoop(capture::Capture programs, spool::Spool& spool, status::SharedStatus& status,
                KnownKeyrings known);

    capture::Capture& programs() { return programs_; }
    int ring_fd() const { return programs_.ring_fd(); }

    /// Moves a bounded number of events from the ring to the spool.
    Result<Drained> drain();
    /// Puts a batch into the spool and gives its room in the ring back.
    void forward(capture::Batch batch);

    /// Programs of another build go, where no policy could be loaded that would have replaced them.
    Result<void> detach_previous_build();
    /// The programs go with this process.
    Result<void> detach() { return programs_.detach(); }

    /// Once a second: what the programs counted, and whether somebody interfered with them.
    void look_at_counters();
    /// Looks whether the kernel runs the programs and their ring works; then the list says so, in a
    /// record with `nonce`: whoever chose that knows that capture worked after he chose it.
    /// Error: it does not work, or there is no policy, so that nothing is measured.
    Result<void> prove_alive(std::vector<std::uint8_t> nonce);
    /// The list says so: `what` is a sentence.
    void report_interference(std::string what);

    /// The policy whose keyrings are asked for where what they hold is not known.
    void watch(std::shared_ptr<const settings::LoadedPolicy> policy);

    const KnownKeyrings::Names& known_keyrings() const { return known_.names(); }
    /// A baseline of the policy's keyrings was taken.
    void looked_at(const events::Baseline& baseline);

    /// Asks the kernel what those keyrings hold of which the records do not say it: since records
    /// were lost or given up, or the kernel skipped a program: all of them; since the records'
    /// order need not be that of the operations (order_watch.h), or a keyring came into a watched
    /// one (nested_keyrings.h), or a key could not be identified (unidentified_keys.h): some. To be
    /// called when the ring is empty. The list is told of an order only where it proves wrong.
    Result<void> refresh_baseline();
    /// Returns when refresh_baseline() has something to do; nothing: not before the next event.
    std::optional<Clock::time_point> refresh_due() const;

    /// Returns the programs' counters as they are now. From any thread.
    events::KernelCounters counters() const { return programs_.counters(); }

  private:
    bool needs_refresh() const {
        return unseen_.has_value() || order_.has_doubts() || nested_.are_unasked() ||
               unidentified_.are_new();
    }
    void note_unseen(std::string_view reason);
    void note_dropped();
    void ask_canary();
    Result<void> push_refresh(std::string_view reason);
    Result<events::Baseline> take_refresh(std::string_view reason, capture::Batch& meanwhile);
    std::vector<events::KeyringName> told_of(std::vector<events::KeyringName> keyrings) const;

    capture::Capture programs_;
    spool::Spool& spool_;
    status::SharedStatus& status_;
    std::uint64_t missed_ = 0;  // of these, the spool was told
    std::map<std::string, std::uint64_t> missed_of_;
    std::uint64_t dropped_ = 0;  // events that the spool had given up when it was last looked at
    OrderWatch order_;
    KnownKeyrings known_;
    NestedKeyrings nested_;
    UnidentifiedKeys unidentified_;
    /// Why all watched keyrings are to be looked at: "loss", "missed". Nothing: they are not.
    std::optional<std::string_view> unseen_;
    Clock::time_point unseen_since_;
    Clock::time_point last_event_;
    Clock::time_point next_refresh_;
    Clock::time_point last_canary_;
    std::shared_ptr<const settings::LoadedPolicy> policy_;
};

}  // namespace keyscribe::daemon
