// SPDX-License-Identifier: Apache-2.0
#include "controller/host/daemon/capture_loop.h"

#include <algorithm>

#include "controller/base/fault_point.h"
#include "controller/base/log.h"
#include "controller/host/daemon/baseline_taker.h"

namespace keyscribe::daemon {
namespace {

using namespace std::chrono_literals;

/// After a loss every watched keyring is asked for, and that takes room in the ring: not amid a
/// flood. One that does not end is not waited for longer than this.
constexpr auto kQuietAfterLoss = 200ms;
constexpr auto kLongestFlood = 2s;
/// Between two looks at keyrings: at least this, and so many times as long as the last one took, so
/// that tasks that contend for a large keyring do not keep the daemon busy.
constexpr auto kBetweenRefreshes = 200ms;
constexpr int kRefreshShare = 20;
/// The list says within 5 s that a program is silent: after three looks, a second apart, at
/// which it did not answer.
constexpr auto kBetweenCanaries = 1900ms;  // every second tick
constexpr auto kBetweenDoubts = 900ms;

}  // namespace

CaptureLoop::CaptureLoop(capture::Capture programs, spool::Spool& spool,
                         status::SharedStatus& status, KnownKeyrings known)
    : programs_(std::move(programs)), spool_(spool), status_(status), known_(std::move(known)) {
    // The programs of a former process go on counting. What it told is known as a sum only.
    if (programs_.is_adopted()) {
        missed_ = spool_.progress().missed;
        const events::KernelCounters counters = programs_.counters();
        if (counters.missed > missed_) {
            spool_.push(spool::Missed{counters.missed - missed_});
            note_unseen("missed");
        }
        missed_ = counters.missed;
        missed_of_ = counters.missed_of;
    }
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
        note_unseen("loss");
        spool_.push(loss);
    }
    if (lost != 0)
        log_event(LogLevel::kError,
                  std::to_string(lost) +
                      " events were lost: the ring buffer was full; a larger "
                      "capture.ring_size helps",
                  {{"KEYSCRIBE_LOST", std::to_string(lost)}});
    for (const events::KeyEvent& event : batch.events) {
        order_.add(event);
        known_.add(event);
        if (policy_) nested_.add(event, policy_->policy);
        unidentified_.add(event, Clock::now());
        // The program did not find the key: what it is now its keyrings tell.
        if ((event.flags & KS_EVENT_SERIAL_ONLY) != 0) note_unseen("missed");
    }
    if (batch.unread != 0) {
        log_event(LogLevel::kError,
                  std::to_string(batch.unread) +
                      " operations were recorded by programs of another version, "
                      "and cannot be read",
                  {{"KEYSCRIBE_UNREAD", std::to_string(batch.unread)}});
        spool_.drop_unread(batch.unread);
    }
    const std::size_t captured = batch.events.size() + batch.unread;
    if (captured != 0) last_event_ = Clock::now();
    spool_.push(std::move(batch.events));
    note_dropped();
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

void CaptureLoop::looked_at(const events::Baseline& baseline) {
    known_.add(baseline);
    if (policy_) nested_.add(baseline, policy_->policy);
    unidentified_.add(baseline, Clock::now());
}

void CaptureLoop::note_unseen(std::string_view reason) {
    if (!unseen_) unseen_since_ = Clock::now();
    unseen_ = reason;
}

/// Events that the spool gave up never reach the list: the keyrings are looked at again.
void CaptureLoop::note_dropped() {
    const spool::SpoolTotals totals = spool_.totals();
    const std::uint64_t dropped = totals.dropped - totals.untold;
    if (dropped > dropped_) note_unseen("loss");
    dropped_ = dropped;
}

std::optional<CaptureLoop::Clock::time_point> CaptureLoop::refresh_due() const {
    // While the recorder stands still, one baseline waits in the spool, not one after the other.
    if (policy_ == nullptr || spool_.has_refresh()) return std::nullopt;
    if (unseen_) {
        const auto quiet = last_event_ + kQuietAfterLoss;
        return std::max(next_refresh_, std::min(quiet, unseen_since_ + kLongestFlood));
    }
    if (order_.has_doubts() || nested_.are_unasked()) return next_refresh_;
    const auto due = unidentified_.due();
    return due ? std::optional(std::max(*due, next_refresh_)) : std::nullopt;
}

Result<void> CaptureLoop::refresh_baseline() {
    const auto begun = Clock::now();
    const auto due = refresh_due();
    if (!due || begun < *due) return {};
    const std::string_view reason = unseen_                 ? *unseen_
                                    : order_.has_doubts()   ? "order"
                                    : nested_.are_unasked() ? "nested"
                                                            : "unidentified";
    auto done = push_refresh(reason);
    const auto ended = Clock::now();
    next_refresh_ =
        ended + std::max<Clock::duration>(kBetweenRefreshes, (ended - begun) * kRefreshShare);
    return done;
}
/// Those of the keyrings that the list tells of.
std::vector<events::KeyringName> CaptureLoop::told_of(
    std::vector<events::KeyringName> keyrings) const {
    std::erase_if(keyrings, [&](const events::KeyringName& keyring) {
        return !is_watched(policy_->policy, keyring.name) && !nested_.contains(keyring.serial);
    });
    return keyrings;
}

Result<events::Baseline> CaptureLoop::take_refresh(std::string_view reason,
                                                   capture::Batch& meanwhile) {
    if (unseen_)
        return take_baseline(programs_, policy_->policy, reason, known_.names(), meanwhile);
    if (reason == "nested")
        return take_baseline_below(programs_, nested_.unasked(), reason, meanwhile);
    return take_baseline_of(
        programs_,
        told_of(reason == "order" ? order_.keyrings_in_doubt() : unidentified_.keyrings()), reason,
        meanwhile);
}

Result<void> CaptureLoop::push_refresh(std::string_view reason) {
    capture::Batch meanwhile;
    const bool of_order = reason == "order", of_all = unseen_.has_value();
    auto baseline = take_refresh(reason, meanwhile);
    if (!baseline) {
        forward(std::move(meanwhile));
        return std::unexpected(baseline.error());
    }
    std::vector<events::PlaceInDoubt> doubts;
    if (of_all || of_order) {
        doubts = order_.take_doubts();
        looked_at(*baseline);
    } else if (reason == "nested") {
        // Of new ones that are empty the records say enough.
        if (!nested_.some_held_before() &&
            std::ranges::all_of(baseline->keys, [](const events::KeyEvent& key) {
                return key.keyring.serial == 0;
            }))
            baseline->keyrings.clear();
        nested_.note_asked();
        looked_at(*baseline);
    } else {
        *baseline = unidentified_.news(std::move(*baseline), Clock::now());
    }
    if (of_all) {
        // It is told in any case: the list says why.
        doubts.clear();
        unseen_.reset();
    }
    if (of_all || !baseline->keyrings.empty())
        spool_.push(spool::BaselineRefresh{
            std::make_shared<const events::Baseline>(std::move(*baseline)), std::move(doubts)});
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

Result<void> CaptureLoop::prove_alive(std::vector<std::uint8_t> nonce) {
    if (policy_ == nullptr)
        return fail("no policy is in force: nothing is measured", "canary",
                    "keyscribe policy check, then keyscribe reload");
    ask_canary();
    look_at_counters();
    if (!programs_.is_alive())
        return fail("the kernel does not run the programs that record", "canary",
                    "keyscribe doctor says why");
    spool_.push(spool::Canary{std::move(nonce)});
    return {};
}

void CaptureLoop::ask_canary() {
    capture::Batch meanwhile;
    last_canary_ = Clock::now();
    if (programs_.check_alive(meanwhile)) note_unseen("missed");
    forward(std::move(meanwhile));
}

void CaptureLoop::look_at_counters() {
    programs_.look_after();
    if (const auto since = Clock::now() - last_canary_;
        since >= kBetweenCanaries || (since >= kBetweenDoubts && programs_.has_doubts()))
        ask_canary();
    for (std::string& what : programs_.take_findings()) report_interference(std::move(what));
    note_dropped();
    const events::KernelCounters counters = programs_.counters();
    for (const auto& [operations, count] : counters.missed_of) {
        std::uint64_t& told = missed_of_[operations];
        if (count <= told) continue;
        const std::uint64_t more = count - told;
        spool::Missed missed{more};
        operations.copy(missed.operations.data(), missed.operations.size() - 1);
        spool_.push(missed);
        log_event(
            LogLevel::kError,
            "the kernel skipped " + std::to_string(more) + " runs of the program of: " + operations,
            {{"KEYSCRIBE_MISSED", std::to_string(more)}});
        note_unseen("missed");
        told = count;
    }
    missed_ = counters.missed;
    status_.update([&](status::Status& status) {
        status.kernel_counters = counters;
        status.counters.missed = missed_;
        status.refresh_pending = needs_refresh();
    });
}

}  // namespace keyscribe::daemon
