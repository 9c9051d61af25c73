// SPDX-License-Identifier: Apache-2.0
#include "controller/host/daemon/capture_loop.h"

#include <algorithm>

#include "controller/base/fault_point.h"
#include "controller/base/log.h"
#include "controller/host/daemon/baseline_taker.h"

namespace keyscribe::daemon {
namespace {

using namespace std::chrono_literals;

/// After a loss every watched keyring is asked for, and that fills the ring: not amid a flood.
constexpr auto kQuietAfterLoss = 200ms;
/// Between two looks at keyrings: at least this, and so many times as long as the last one took, so
/// that tasks that contend for a large keyring do not keep the daemon busy.
constexpr auto kBetweenRefreshes = 200ms;
constexpr int kRefreshShare = 20;
/// The programs are silent for no longer before the list says so.
constexpr auto kBetweenCanaries = 4s;

}  // namespace

CaptureLoop::CaptureLoop(capture::Capture programs, spool::Spool& spool,
                         status::SharedStatus& status)
    : programs_(std::move(programs)), spool_(spool), status_(status) {
    // The programs of a former process go on counting.
    if (programs_.is_adopted()) missed_ = spool_.progress().missed;
    // Until the ring of another build is read to its end, how far that was read must not be lost.
    if (!programs_.has_previous_build())
        spool_.set_progress(programs_.ring_id(), spool_.progress().settled);
    status_.update([&](status::Status& now) {
        now.counters.captured += programs_.kept();
        now.counters.missed = missed_;
    });
    for (std::string& what : programs_.take_findings()) report_interference(std::move(what));
}

void CaptureLoop::report_interference(std::string what) {
    log_event(LogLevel::kError, what, {{"KEYSCRIBE_DETACHED", "1"}});
    spool_.push(spool::Detached{std::move(what)});
}

void CaptureLoop::forward(capture::Batch batch) {
    std::uint64_t lost = 0;
    for (const events::Loss& loss : batch.losses) {
        lost += loss.lost();
        lost_some_ = true;
        spool_.push(loss);
    }
    if (lost != 0)
        log_event(LogLevel::kError,
                  std::to_string(lost) +
                      " events were lost: the ring buffer was full; a larger "
                      "capture.ring_size helps",
                  {{"KEYSCRIBE_LOST", std::to_string(lost)}});
    for (const events::KeyEvent& event : batch.events) order_.add(event);
    const std::size_t captured = batch.events.size();
    if (captured != 0) last_event_ = Clock::now();
    spool_.push(std::move(batch.events));
    if (batch.twice != 0) spool_.account_for(programs_.ring_id(), batch.twice);
    fault_point("before-spool-write");
    spool_.flush();
    fault_point("after-spool-write");
    programs_.release();
    fault_point("after-ring-release");
    spool_.set_progress(programs_.ring_id(), programs_.settled());
    // Last: whoever finds an event counted here finds it in the spool, or behind it (snapshot.h).
    status_.update([&](status::Status& status) {
        status.counters.captured += captured;
        status.counters.lost += lost;
        status.refresh_pending = needs_refresh();
    });
}

void CaptureLoop::watch(std::shared_ptr<const settings::LoadedPolicy> policy) {
    policy_ = std::move(policy);
}

std::optional<CaptureLoop::Clock::time_point> CaptureLoop::refresh_due() const {
    if (policy_ == nullptr || !needs_refresh()) return std::nullopt;
    return lost_some_ ? std::max(next_refresh_, last_event_ + kQuietAfterLoss) : next_refresh_;
}

Result<void> CaptureLoop::refresh_baseline() {
    const auto begun = Clock::now();
    const auto due = refresh_due();
    if (!due || begun < *due) return {};
    const policy::Policy& policy = policy_->policy;
    capture::Batch meanwhile;
    auto baseline = lost_some_ ? take_baseline(programs_, policy, "loss", meanwhile)
                               : take_baseline_of(programs_, order_.keyrings_in_doubt(), policy,
                                                  "order", meanwhile);
    const auto ended = Clock::now();
    next_refresh_ =
        ended + std::max<Clock::duration>(kBetweenRefreshes, (ended - begun) * kRefreshShare);
    if (!baseline) return std::unexpected(baseline.error());
    // After a loss it is told in any case: the list says why.
    std::vector<events::PlaceInDoubt> doubts = order_.take_doubts();
    if (lost_some_) doubts.clear();
    if (!baseline->keyrings.empty())
        spool_.push(spool::BaselineRefresh{
            std::make_shared<const events::Baseline>(std::move(*baseline)), std::move(doubts)});
    lost_some_ = false;
    forward(std::move(meanwhile));
    return {};
}

Result<Drained> CaptureLoop::drain() {
    fault_point("before-ring-read");
    auto batch = programs_.drain();
    if (!batch) return std::unexpected(batch.error());
    const bool some = !batch->events.empty(), more = batch->more;
    if (some || !batch->losses.empty())
        forward(std::move(*batch));
    else
        programs_.release();
    if (more) return Drained::kSome;
    return some ? Drained::kAll : Drained::kNothing;
}

Result<void> CaptureLoop::detach_previous_build() {
    auto batch = programs_.detach_previous_build();
    if (!batch) return std::unexpected(batch.error());
    forward(std::move(*batch));
    programs_.forget_previous_build();
    return {};
}

void CaptureLoop::look_at_counters() {
    programs_.look_after();
    if (const auto now = Clock::now(); now >= next_canary_) {
        capture::Batch meanwhile;
        lost_some_ |= programs_.check_alive(meanwhile);
        forward(std::move(meanwhile));
        next_canary_ = now + kBetweenCanaries;
    }
    for (std::string& what : programs_.take_findings()) report_interference(std::move(what));
    const events::KernelCounters counters = programs_.counters();
    if (counters.missed > missed_) {
        const std::uint64_t more = counters.missed - missed_;
        spool_.push(spool::Missed{more});
        log_event(LogLevel::kError,
                  "the kernel skipped " + std::to_string(more) + " runs of the programs",
                  {{"KEYSCRIBE_MISSED", std::to_string(more)}});
        missed_ = counters.missed;
    }
    status_.update([&](status::Status& status) {
        status.kernel_counters = counters;
        status.counters.missed = missed_;
    });
}

}  // namespace keyscribe::daemon
