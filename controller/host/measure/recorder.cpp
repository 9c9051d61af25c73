// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/recorder.h"

#include <malloc.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "controller/base/boot_time.h"
#include "controller/base/fault_point.h"
#include "controller/base/log.h"
#include "controller/host/events/key_table.h"
#include "controller/host/measure/backend.h"
#include "controller/host/measure/baseline_writer.h"
#include "controller/host/measure/event_writer.h"
#include "controller/host/measure/group.h"
#include "controller/host/measure/journal_writer.h"
#include "controller/host/measure/restore_key_table.h"
#include "controller/host/measure/untold_ends.h"

namespace keyscribe::measure {
namespace {

using namespace std::chrono_literals;
using records::Record;

using Clock = std::chrono::steady_clock;

constexpr auto kRetry = 1s;
/// A TPM that goes on failing is asked less and less often, down to this.
constexpr auto kSlowestRetry = 8s;
/// How often an idle daemon looks whether somebody else extended its PCR.
constexpr auto kLookAtPcr = 5s;

/// So many events, or keys of a baseline, can leave more free memory behind than what stays.
constexpr std::uint64_t kTrimAfter = 1000;

/// Payloads of asymmetric keys that are kept for the day on which they are linked or moved.
constexpr std::size_t kMaterialBytes = 16u << 20;

/// What became of a step.
enum class Step {
    kDone,
    kRetry,  ///< the TPM or the list failed: the same step is made again
};

class Recorder {
  public:
    explicit Recorder(const RecorderContext& context)
        : config_(context.config),
          spool_(context.spool),
          status_(context.status),
          identity_(context.identity),
          backend_(context.config, context.status, context.list_size),
          journal_(context.config, context.identity.boot_id, context.status),
          token_(context.spool.taken()) {}

    void run(std::stop_token stop);

  private:
    Result<void> open_backend();
    Step record_foreign();
    Step record_findings();
    Step process(const spool::SpoolItem& item);
    Step begin_list(bool policy_has_rules);
    Step process_policy(const spool::PolicyChange& change);
    Step process_resume(const spool::Resume& resume);
    Step process_event(const events::KeyEvent& event);
    void process_baseline(const events::Baseline& taken);
    void process_refresh(const spool::BaselineRefresh& refresh);
    void collect(NamedBuf record) { group_.add(std::move(record), spool_.taken()); }
    void collect(const Record& record);
    Step commit();
    Step append(std::span<const NewEntry> entries);
    Step append(unsigned pcr, const std::vector<Record>& records);
    void settle();
    void degrade(const std::string& why);

    const settings::Config& config_;
    spool::Spool& spool_;
    status::SharedStatus& status_;
    const records::DaemonIdentity identity_;
    Backend backend_;
    JournalWriter journal_;
    std::shared_ptr<const settings::LoadedPolicy> policy_;
    Group group_;
    events::KeyTable table_{kMaterialBytes};
    UntoldEnds untold_;
    std::uint64_t untrimmed_ = 0;     // events and keys since free memory was given back
    bool settled_ = false;            // all that was given out is done with, and shown
    bool introduced_ = false;         // the list has this process's start record
    bool after_kexec_ = false;        // the list is of the kernel before, and goes on
    bool restarted_ = false;          // the next baseline is the first of this process only
    std::uint64_t token_ = 0;         // the spool's items up to this are in the list
    std::vector<Record> findings_;    // to be recorded
    std::set<unsigned> unexplained_;  // PCRs that somebody extended: to be recorded first
    Clock::time_point looked_at_pcr_;
};

void Recorder::degrade(const std::string& why) {
    log_event(LogLevel::kError, "degraded: " + why, {{"KEYSCRIBE_STATE", "degraded"}});
    status_.update([&](status::Status& status) {
        if (std::ranges::find(status.degraded, why) == status.degraded.end())
            status.degraded.push_back(why);
    });
}

Result<void> Recorder::open_backend() {
    auto opened = backend_.open();
    if (!opened) return std::unexpected(opened.error());
    settled_ = false;
    if (opened->list) {
        const std::string boot_id = recorded_boot_id(*opened->list);
        after_kexec_ = !boot_id.empty() && boot_id != identity_.boot_id;
        // In another kernel none of these keys is there.
        if (!after_kexec_) restore_key_table(*opened->list, table_);
    }
    if (opened->tpm_changed) {
        degrade(*opened->tpm_changed);
        findings_.push_back(
            records::tpm_record(boot_time_ns(), backend_.tpm_state(), *opened->tpm_changed));
    }
    for (const std::string& what : opened->tampered) {
        degrade(what);
        findings_.push_back(records::tampered_record(boot_time_ns(), what));
    }
    for (const unsigned pcr : opened->foreign) {
        degrade("PCR " + std::to_string(pcr) + " was extended by somebody else");
        unexplained_.insert(pcr);
    }
    return {};
}

/// Records PCRs that somebody else extended, before anything else is appended: the replay goes on
/// from the values that the record has.
Step Recorder::record_foreign() {
    if (!introduced_) return Step::kDone;
    while (backend_.is_open() && !unexplained_.empty()) {
        const unsigned pcr = *unexplained_.begin();
        const Record record = records::foreign_record(pcr, backend_.log().values(pcr));
        if (append(pcr, {record}) == Step::kRetry) return Step::kRetry;
        unexplained_.erase(pcr);
    }
    return backend_.is_open() ? Step::kDone : Step::kRetry;
}

Step Recorder::record_findings() {
    if (!introduced_) return Step::kDone;
    while (backend_.is_open() && !findings_.empty()) {
        if (append(config_.tpm.pcr, {findings_.front()}) == Step::kRetry) return Step::kRetry;
        findings_.erase(findings_.begin());
    }
    return backend_.is_open() ? Step::kDone : Step::kRetry;
}

/// Appends `entries`, and records in the spool that the items up to `token_` are committed. Returns
/// kRetry if nothing was written. A failed extend does not count: the next opening makes it.
Step Recorder::append(std::span<const NewEntry> entries) {
    const std::uint64_t before = backend_.log().size();
    settled_ = false;
    spool_.begin_commit(token_, before, before + encoded_size(entries));
    fault_point("before-list-append");
    if (backend_.append(entries) == Appended::kNothing) return Step::kRetry;
    spool_.end_commit();
    return Step::kDone;
}

Step Recorder::append(unsigned pcr, const std::vector<Record>& records) {
    std::vector<NamedBuf> named;
    for (const Record& record : records)
        named.push_back({pcr, record.name, {record.buf.begin(), record.buf.end()}});
    return append(single_entries(named));
}

void Recorder::collect(const Record& record) {
    collect({config_.tpm.pcr, record.name, {record.buf.begin(), record.buf.end()}});
}

Step Recorder::commit() {
    if (group_.is_empty()) return Step::kDone;
    if (!backend_.is_open()) return Step::kRetry;
    token_ = group_.token();
    if (append(group_.entries()) == Step::kRetry) return Step::kRetry;
    fault_point("before-journal");
    journal_.write(group_.journal(),
                   backend_.is_open() ? std::optional(backend_.log().entries()) : std::nullopt);
    status_.update([&](status::Status& status) { status.counters.measured += group_.events(); });
    group_ = {};
    fault_point("after-commit");
    return Step::kDone;
}

/// The first entries: which machine state, which program. Written with the first policy that has a
/// rule, so that without one nothing is measured at all.
Step Recorder::begin_list(bool policy_has_rules) {
    if (introduced_) return Step::kDone;
    const std::uint64_t entries = backend_.log().entries();
    if (entries == 0) {
        if (!policy_has_rules) return Step::kDone;
        const auto first = backend_.first_entry();
        if (!first || append(std::array{*first}) == Step::kRetry || !backend_.is_open())
            return Step::kRetry;
    }
    // An interrupted beginning (boot_aggregate without a start) goes on as one.
    const Record start = records::start_record(identity_, backend_.tpm_state(),
                                               entries > 1 ? entries : 0, after_kexec_);
    if (append(config_.tpm.pcr, {start}) == Step::kRetry) return Step::kRetry;
    introduced_ = true;
    restarted_ = entries > 1 && !after_kexec_;
    return backend_.is_open() ? Step::kDone : Step::kRetry;
}

/// What the former process left is judged as it would have judged it.
Step Recorder::process_resume(const spool::Resume& resume) {
    if (begin_list(!resume.loaded->policy.rules.empty()) == Step::kRetry ||
        record_foreign() == Step::kRetry)
        return Step::kRetry;
    policy_ = resume.loaded;
    // By what the list says; where it says nothing yet, by what the keyrings hold now.
    if (resume.baseline != nullptr && table_.keys() == 0) table_.take(*resume.baseline);
    return Step::kDone;
}

Step Recorder::process_policy(const spool::PolicyChange& change) {
    if (commit() == Step::kRetry || !backend_.is_open()) return Step::kRetry;
    if (begin_list(!change.loaded->policy.rules.empty()) == Step::kRetry ||
        record_foreign() == Step::kRetry)
        return Step::kRetry;
    token_ = spool_.taken();
    if (introduced_ &&
        append(config_.tpm.pcr, records::policy_records(change.loaded->files, change.generation)) ==
            Step::kRetry)
        return Step::kRetry;
    policy_ = change.loaded;
    // A policy that a former process left in the spool has none: it stands in the list.
    if (change.baseline != nullptr) process_baseline(*change.baseline);
    return Step::kDone;
}

Step Recorder::process_event(const events::KeyEvent& received) {
    std::optional<events::KeyEvent> completed;
    if (received.flags & KS_EVENT_SERIAL_ONLY) table_.complete(completed.emplace(received));
    const events::KeyEvent& event = completed ? *completed : received;
    const auto measured = judge_event(event, policy_->policy, table_);
    const bool each = std::ranges::any_of(
        measured, [](const MeasuredIn& one) { return one.rule->commit == policy::Commit::kEach; });
    if (each && (commit() == Step::kRetry || !backend_.is_open())) return Step::kRetry;
    ++untrimmed_;
    for (const MeasuredIn& where : measured)
        for (NamedBuf& entry : write_event(event, where, config_.tpm.pcr, table_))
            collect(std::move(entry));
    untold_.note(event, !measured.empty(), table_);
    table_.take(event);
    if (untold_.are_many() && introduced_ && !restarted_)
        process_baseline(UntoldEnds::of_its_own());
    if (measured.empty()) {
        status_.update([](status::Status& status) { ++status.counters.unmatched; });
        return Step::kDone;
    }
    group_.end_event(each);
    if (journal_.is_enabled()) {
        auto line = to_json(event);
        for (const MeasuredIn& where : measured)
            line["keyrings"].push_back({{"serial", where.affected.keyring.serial},
                                        {"name", kernel_string(where.affected.keyring.name)}});
        group_.add_journal_line(std::move(line));
    }
    status_.update([](status::Status& status) { ++status.counters.matched; });
    return Step::kDone;
}

/// Writes the baseline's records. A list that has not begun gets none.
void Recorder::process_baseline(const events::Baseline& taken) {
    const events::Baseline baseline = untold_.told_with(taken);
    const events::Difference change = table_.difference(baseline);
    table_.take(baseline);
    untrimmed_ += baseline.keys.size();
    if (!introduced_) return;
    std::optional<events::Difference> unseen;
    if (restarted_) unseen = change;
    if (restarted_ && change.appeared + change.vanished != 0)
        log_event(LogLevel::kWarning,
                  "while no daemon looked, " + std::to_string(change.appeared) +
                      " keys appeared in watched keyrings and " + std::to_string(change.vanished) +
                      " vanished",
                  {{"KEYSCRIBE_APPEARED", std::to_string(change.appeared)},
                   {"KEYSCRIBE_VANISHED", std::to_string(change.vanished)}});
    const std::string reason = restarted_ ? "restart" : baseline.reason;
    write_baseline(baseline, policy_->policy, reason, unseen, [&](const Record& record) {
        collect(record);
        // A daemon that dies amid a baseline is followed by one that begins with another. What
        // fails here stays in the group.
        if (group_.is_full()) (void)commit();
    });
    restarted_ = false;
}

/// Writes, of an order in doubt, those keyrings alone of which the list proves wrong.
void Recorder::process_refresh(const spool::BaselineRefresh& refresh) {
    if (refresh.doubts.empty()) return process_baseline(*refresh.baseline);
    const auto wrong = contradicted_part(*refresh.baseline, refresh.doubts, table_);
    if (!wrong.keyrings.empty()) process_baseline(wrong);
}

Step Recorder::process(const spool::SpoolItem& item) {
    if (const auto* change = std::get_if<spool::PolicyChange>(&item))
        return process_policy(*change);
    if (const auto* event = std::get_if<events::KeyEvent>(&item)) return process_event(*event);
    if (const auto* resume = std::get_if<spool::Resume>(&item)) return process_resume(*resume);
    if (const auto* refresh = std::get_if<spool::BaselineRefresh>(&item)) {
        process_refresh(*refresh);
    } else if (const auto* tampered = std::get_if<spool::Tampered>(&item)) {
        degrade(tampered->what);
        findings_.push_back(records::tampered_record(boot_time_ns(), tampered->what));
    } else if (const auto* detached = std::get_if<spool::Detached>(&item)) {
        degrade(detached->what);
        if (introduced_) collect(records::detached_record(boot_time_ns(), detached->what));
    } else if (!introduced_) {
        // There is no list that could be incomplete.
    } else if (const auto* canary = std::get_if<spool::Canary>(&item)) {
        collect(records::canary_record(boot_time_ns(), canary->nonce));
    } else if (const auto* loss = std::get_if<events::Loss>(&item)) {
        collect(records::loss_record(loss->first, loss->last, loss->lost()));
    } else if (const auto* missed = std::get_if<spool::Missed>(&item)) {
        collect(records::missed_record(missed->count, missed->operations.data()));
    } else if (const auto* drop = std::get_if<spool::Drop>(&item)) {
        const bool of_user = drop->reason == spool::Drop::Reason::kBudget;
        collect(records::drop_record(spool::name_of(drop->reason), drop->count,
                                     drop->first_sequence, drop->last_sequence,
                                     of_user ? std::optional(drop->uid) : std::nullopt));
    }
    return Step::kDone;
}

/// When nothing waits: shows the PCR's values, looks every 5 s whether somebody else extended it,
/// and gives back the memory that a burst took.
void Recorder::settle() {
    token_ = spool_.taken();
    spool_.settle();
    const bool list_alone = Clock::now() - looked_at_pcr_ < kLookAtPcr;
    backend_.look_for_others(list_alone);
    if (!backend_.is_open()) return;
    if (!list_alone) {
        looked_at_pcr_ = Clock::now();
        if (untrimmed_ >= kTrimAfter) {
            ::malloc_trim(0);
            untrimmed_ = 0;
        }
    }
    if (std::exchange(settled_, true)) return;
    status_.update([&](status::Status& status) {
        status.recorder_settled = true;
        status.tpm.values.clear();
        for (const auto& [bank, value] : backend_.log().values(config_.tpm.pcr))
            status.tpm.values[std::string(name_of(bank))] = to_hex(value);
    });
}

void Recorder::run(std::stop_token stop) {
    std::mutex mutex;
    std::condition_variable_any wake;
    const auto pause = [&](std::chrono::seconds time = kRetry) {
        std::unique_lock lock(mutex);
        wake.wait_for(lock, stop, time, [] { return false; });
    };
    std::chrono::seconds retry = kRetry;
    std::optional<spool::SpoolItem> item;
    for (;;) {
        if (!backend_.is_open()) {
            if (!open_backend()) {
                if (stop.stop_requested()) return;
                pause(retry);
                retry = std::min<std::chrono::seconds>(2 * retry, kSlowestRetry);
                continue;
            }
            retry = kRetry;
        }
        if (record_foreign() == Step::kRetry || record_findings() == Step::kRetry) {
            if (stop.stop_requested()) return;
            pause();
            continue;
        }
        if (!item) {
            // A group is committed, and the PCR shown, as soon as there is nothing else to do.
            item = spool_.pop(settled_ && !stop.stop_requested() ? kRetry : 0s);
            if (item) settled_ = false;
        }
        if (item && process(*item) == Step::kDone) {
            item.reset();
            if (!group_.is_due(spool_.totals().waiting)) continue;
        }
        if (!item && group_.is_empty() && !untold_.is_empty() && introduced_ && !restarted_)
            process_baseline(UntoldEnds::of_its_own());
        if (!group_.is_empty() ? commit() == Step::kRetry : item.has_value()) {
            if (stop.stop_requested()) return;
            pause();
        } else if (!item && backend_.is_open()) {
            settle();
            if (stop.stop_requested()) return;
        }
    }
}

}  // namespace

void run_recorder(const RecorderContext& context, std::stop_token stop) {
    Recorder(context).run(stop);
}

}  // namespace keyscribe::measure
