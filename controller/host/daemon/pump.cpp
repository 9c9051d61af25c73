// SPDX-License-Identifier: Apache-2.0
#include "controller/host/daemon/pump.h"

#include <spdlog/spdlog.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <deque>
#include <set>

#include "controller/base/boot_time.h"
#include "controller/base/fault_point.h"
#include "controller/base/log.h"
#include "controller/host/settings/policy_loader.h"
#include "policy/filter_compiler.h"

namespace keyscribe::daemon {

Pump::Pump(capture::Capture programs, const settings::Config& config, spool::Spool& spool,
           status::SharedStatus& status)
    : programs_(std::move(programs)),
      config_(config),
      spool_(spool),
      status_(status),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    // The programs of a former process go on counting.
    if (programs_.is_adopted()) {
        generation_ = programs_.generation();
        missed_ = spool_.progress().missed;
    }
    // Until the ring of another build is read to its end, how far that was read must not be lost.
    if (!programs_.has_former())
        spool_.set_progress(programs_.ring_id(), spool_.progress().settled);
    status_.update([&](status::Status& now) { now.counters.captured += programs_.kept(); });
    for (std::string& what : programs_.take_findings()) record(std::move(what));
}

void Pump::record(std::string what) {
    log_event(LogLevel::kError, what, {{"KEYSCRIBE_DETACHED", "1"}});
    spool_.push(spool::Detached{std::move(what)});
}

/// Whoever replaces files leaves none for a moment: two looks in a row count.
void Pump::look_at_policy_directory() {
    const bool none = generation_ != 0 && !settings::has_policy_file(config_.policy.directory);
    without_files_ = none ? without_files_ + 1 : 0;
    if (without_files_ == 2)
        record("the policy directory was emptied, the last policy stays in force: " +
               config_.policy.directory.string());
}

void Pump::forward(capture::Batch batch) {
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
    status_.update([&](status::Status& status) {
        status.counters.captured += batch.events.size();
        status.counters.lost += lost;
    });
    for (events::KeyEvent& event : batch.events) {
        event.actor.cgroup = cgroups_.path(event.actor.cgroup_id);
        note_order(event);
    }
    spool_.push(std::move(batch.events));
    if (batch.twice != 0) spool_.account_for(programs_.ring_id(), batch.twice);
    fault_point("before-spool-write");
    spool_.flush();
    fault_point("after-spool-write");
    programs_.release();
    fault_point("after-ring-release");
    spool_.set_progress(programs_.ring_id(), programs_.settled());
}

namespace {

bool is_watched(const policy::Policy& policy, const std::string& keyring) {
    return std::ranges::any_of(policy.rules, [&](const policy::Rule& rule) {
        return rule.action == policy::Action::kMeasure &&
               (rule.keyrings.empty() ||
                std::ranges::find(rule.keyrings, keyring) != rule.keyrings.end());
    });
}

}  // namespace

/// Longer than a program and what it may be preempted for takes, as a rule.
constexpr std::uint64_t kSameMoment = 20'000'000;  // ns
constexpr std::uint64_t kQuiet = 200'000'000;
constexpr std::size_t kLastChanges = 4096;

void Pump::note_order(const events::KeyEvent& event) {
    last_event_ns_ = event.boot_time_ns;
    if (!ks_changes_holders(event.operation) || (event.flags & KS_EVENT_REMEMBER)) return;
    const auto note = [&](const events::KeyringName& keyring) {
        if (keyring.serial == 0) return;
        if (last_changes_.size() >= kLastChanges) last_changes_.clear();
        LastChange& last = last_changes_[keyring.serial];
        if (last.tid != 0 && last.tid != event.actor.tid &&
            event.boot_time_ns < last.boot_time_ns + kSameMoment)
            disordered_[keyring.serial] = keyring.name;
        last = {std::max(last.boot_time_ns, event.boot_time_ns), event.actor.tid};
    };
    note(event.keyring);
    note(event.from);
}

Result<void> Pump::settle_order() {
    if (policy_ == nullptr || (disordered_.empty() && !lost_some_) ||
        boot_time_ns() < last_event_ns_ + kQuiet)
        return {};
    events::Baseline baseline{
        .reason = "order", .boot_time_ns = boot_time_ns(), .keyrings = {}, .keys = {}};
    capture::Batch meanwhile;
    if (lost_some_) {
        auto all = take_baseline(policy_->policy, meanwhile);
        if (!all) return std::unexpected(all.error());
        baseline = std::move(*all);
        baseline.reason = "loss";
        disordered_.clear();
        lost_some_ = false;
    }
    for (const auto& [serial, name] : disordered_)
        if (is_watched(policy_->policy, name))
            if (auto done = look_at({serial, name}, baseline, meanwhile); !done)
                return std::unexpected(done.error());
    disordered_.clear();
    if (!baseline.keyrings.empty())
        spool_.push(spool::Relook{std::make_shared<const events::Baseline>(std::move(baseline))});
    forward(std::move(meanwhile));
    return {};
}

/// False: the keyring is gone.
Result<bool> Pump::look_at(const events::KeyringName& keyring, events::Baseline& baseline,
                           capture::Batch& meanwhile) {
    auto members = programs_.members(keyring.serial, meanwhile);
    if (!members) return std::unexpected(members.error());
    if (members->empty()) return false;
    baseline.keyrings.push_back(keyring);
    for (events::KeyEvent& key : *members) baseline.keys.push_back(std::move(key));
    return true;
}

/// Every keyring that a rule names and every key in it, and so on in keyrings that stand in those.
Result<events::Baseline> Pump::take_baseline(const policy::Policy& policy,
                                             capture::Batch& meanwhile) {
    events::Baseline baseline{.reason = generation_ == 0 ? "start" : "policy",
                              .boot_time_ns = boot_time_ns(),
                              .keyrings = {},
                              .keys = {}};
    if (policy.rules.empty()) return baseline;
    auto keyrings = programs_.keyrings(meanwhile);
    if (!keyrings) return std::unexpected(keyrings.error());
    std::deque<events::KeyringName> open;
    for (const events::KeyEvent& keyring : *keyrings)
        if (is_watched(policy, keyring.description))
            open.push_back({keyring.key_serial, keyring.description});
    std::set<std::int32_t> seen;
    for (; !open.empty(); open.pop_front()) {
        const events::KeyringName keyring = open.front();
        if (!seen.insert(keyring.serial).second) continue;
        const std::size_t before = baseline.keys.size();
        const auto looked = look_at(keyring, baseline, meanwhile);
        if (!looked) return std::unexpected(looked.error());
        for (std::size_t i = before; i < baseline.keys.size(); ++i)
            if (const events::KeyEvent& key = baseline.keys[i];
                key.key_type == "keyring" && key.keyring.serial != 0)
                open.push_back({key.key_serial, key.description});
    }
    return baseline;
}

Result<Drained> Pump::drain() {
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

Result<Reloaded> Pump::load_and_activate() {
    auto found = settings::load_policy(config_.policy.directory);
    if (!found) return std::unexpected(found.error());
    if (!*found)
        return fail("there is no policy file", config_.policy.directory.string(),
                    generation_ == 0
                        ? "nothing is measured until there is one; a file without a rule will do"
                        : "the former policy stays in force; to measure nothing, leave a file "
                          "without a rule");
    if (auto done = settings::check_policy_pcrs(**found, config_.tpm.force_resettable_pcr); !done)
        return std::unexpected(done.error());

    const auto loaded = std::make_shared<const settings::LoadedPolicy>(std::move(**found));
    const std::uint32_t generation = generation_ + 1;
    auto filter = policy::compile(loaded->policy, generation);
    if (!filter) return fail(filter.error(), config_.policy.directory.string());
    auto batch = programs_.activate(**filter);
    if (!batch) return std::unexpected(batch.error());
    auto baseline = take_baseline(loaded->policy, *batch);
    if (!baseline) return std::unexpected(baseline.error());

    // First what the former policy let pass, then the change, then what the new one did.
    capture::Batch newer;
    const auto is_former = [&](const events::KeyEvent& event) {
        return event.generation != generation;
    };
    const auto middle = std::ranges::stable_partition(batch->events, is_former).begin();
    newer.events.assign(std::make_move_iterator(middle),
                        std::make_move_iterator(batch->events.end()));
    batch->events.erase(middle, batch->events.end());
    forward(std::move(*batch));
    spool::PolicyChange change{loaded, generation,
                               std::make_shared<const events::Baseline>(std::move(*baseline))};
    spool_.push(std::move(change));
    forward(std::move(newer));
    programs_.forget_former();
    generation_ = generation;
    policy_ = loaded;

    Reloaded done{.generation = generation,
                  .digest = to_hex(records::policy_digest(loaded->files)),
                  .rules = loaded->policy.rules.size()};
    std::vector<std::string> files;
    for (const auto& source : loaded->policy.sources) {
        done.skipped += source.skipped;
        files.push_back(source.name);
    }
    for (const auto& warning : loaded->policy.warnings)
        done.warnings.push_back(policy::headline(warning, "warning"));
    status_.update([&](status::Status& status) {
        status.policy = {.loaded = true,
                         .generation = generation,
                         .digest = done.digest,
                         .rules = done.rules,
                         .skipped = done.skipped,
                         .files = files,
                         .error = {}};
    });
    log_event(LogLevel::kInfo,
              "policy " + std::to_string(generation) + " in force: " + std::to_string(done.rules) +
                  " rules",
              {{"KEYSCRIBE_POLICY_GENERATION", std::to_string(generation)},
               {"KEYSCRIBE_POLICY_DIGEST", done.digest}});
    for (const std::string& warning : done.warnings) spdlog::warn("{}", warning);
    return done;
}

Result<Reloaded> Pump::reload() {
    auto done = load_and_activate();
    if (!done) {
        const std::string why = to_string(done.error());
        log_event(LogLevel::kWarning, why, {{"KEYSCRIBE_POLICY_REFUSED", "1"}});
        status_.update([&](status::Status& status) { status.policy.error = why; });
    }
    return done;
}

namespace {

std::unexpected<Error> stopping() {
    return fail("keyscribed is stopping", "reload", "try again when it runs");
}

}  // namespace

void Pump::refuse_requests() {
    const std::lock_guard lock(mutex_);
    refusing_ = true;
    for (auto& request : requests_) request.set_value(stopping());
    requests_.clear();
}

Result<Reloaded> Pump::request_reload() {
    std::future<Result<Reloaded>> outcome;
    {
        const std::lock_guard lock(mutex_);
        if (refusing_) return stopping();
        outcome = requests_.emplace_back().get_future();
    }
    const std::uint64_t one = 1;
    if (::write(wake_.get(), &one, sizeof(one)) < 0) return fail_errno("cannot ask", "eventfd(2)");
    if (outcome.wait_for(std::chrono::seconds(30)) != std::future_status::ready)
        return fail("the main thread is busy", "reload", "try again; see keyscribe status");
    return outcome.get();
}

void Pump::reload_on_request() {
    std::uint64_t count = 0;
    if (::read(wake_.get(), &count, sizeof(count)) < 0) return;
    std::vector<std::promise<Result<Reloaded>>> requests;
    {
        const std::lock_guard lock(mutex_);
        requests.swap(requests_);
    }
    for (auto& request : requests) request.set_value(reload());
}

Result<void> Pump::retire_former() {
    auto batch = programs_.retire_former();
    if (!batch) return std::unexpected(batch.error());
    forward(std::move(*batch));
    programs_.forget_former();
    return {};
}

void Pump::look_at_counters() {
    programs_.look_after();
    for (std::string& what : programs_.take_findings()) record(std::move(what));
    look_at_policy_directory();
    const capture::KernelCounters counters = programs_.counters();
    if (counters.missed > missed_) {
        spool_.push(spool::Missed{counters.missed - missed_});
        log_event(LogLevel::kError,
                  "the kernel skipped " + std::to_string(counters.missed - missed_) +
                      " runs of the programs",
                  {{"KEYSCRIBE_MISSED", std::to_string(counters.missed - missed_)}});
        missed_ = counters.missed;
    }
    status_.update([&](status::Status& status) { status.kernel_counters = counters; });
}

}  // namespace keyscribe::daemon
