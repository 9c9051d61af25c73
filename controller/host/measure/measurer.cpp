// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/measurer.h"

#include <malloc.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <span>

#include "controller/base/boot_time.h"
#include "controller/base/fault_point.h"
#include "controller/base/log.h"
#include "controller/host/events/concern.h"
#include "controller/host/events/key_table.h"
#include "controller/host/measure/batch.h"
#include "controller/host/measure/boot_aggregate.h"
#include "controller/host/measure/journal.h"
#include "controller/host/measure/measurement_log.h"
#include "controller/host/measure/recall.h"
#include "controller/list/template_data.h"
#include "policy/matcher.h"

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

constexpr const char* kImaList = "/sys/kernel/security/ima/binary_runtime_measurements";

/// While at least so many events wait, the TPM is the bottleneck, and records share an extend.
constexpr std::uint64_t kManyWait = 8;
/// What may share one: an entry that others read at one go.
constexpr std::size_t kGroupRecords = 1024;
constexpr std::size_t kGroupBytes = 1 << 20;
/// A baseline of more records than these is a group, too: an extend of a TPM can take 10 ms.
constexpr std::size_t kAlone = 256;
/// So many events, or keys of a baseline, can leave more free memory behind than what stays.
constexpr std::uint64_t kTrimAfter = 1000;

/// Payloads of asymmetric keys that are kept for the day on which they are linked or moved.
constexpr std::size_t kMaterialBytes = 16u << 20;

/// Records that are judged and not in the list yet.
struct Group {
    std::vector<NamedBuf> records;
    std::size_t bytes = 0;
    std::size_t events = 0;               // that they are about
    std::uint64_t taken = 0;              // from the spool (Spool::taken)
    bool each = false;                    // a rule wants extends of their own
    std::vector<nlohmann::json> journal;  // a line an event
};

/// IMA's list, where it is so short that nothing but its first entry can be in it.
WipedBytes short_ima_list() {
    constexpr std::size_t kLong = 4096;
    WipedBytes bytes(kLong);
    std::ifstream file(kImaList, std::ios::binary);
    file.read(reinterpret_cast<char*>(bytes.data()), kLong);
    bytes.resize(file.gcount() < static_cast<std::streamsize>(kLong)
                     ? static_cast<std::size_t>(file.gcount())
                     : 0);
    return bytes;
}

/// The TPM and the list that goes with it: opened together, given up together.
struct Backend {
    std::unique_ptr<tpm::Tpm> tpm;
    std::unique_ptr<MeasurementLog> log;
};

/// While it lives, measuring waits for the TPM.
class WaitingForTpm {
  public:
    explicit WaitingForTpm(status::SharedStatus& status) : status_(status) {
        status_.update([](status::Status& now) { now.tpm.asked_since = Clock::now(); });
    }
    ~WaitingForTpm() {
        status_.update([](status::Status& now) { now.tpm.asked_since.reset(); });
    }
    WaitingForTpm(const WaitingForTpm&) = delete;
    WaitingForTpm& operator=(const WaitingForTpm&) = delete;

  private:
    status::SharedStatus& status_;
};

std::string names_of(const std::vector<Algorithm>& banks) {
    std::string names;
    for (const auto bank : banks) names += (names.empty() ? "" : " ") + std::string(name_of(bank));
    return names;
}

class Measurer {
  public:
    explicit Measurer(const MeasurerContext& context)
        : config_(context.config),
          spool_(context.spool),
          status_(context.status),
          speaker_(context.speaker),
          done_(context.spool.taken()),
          list_size_(context.list_size) {}

    void run(std::stop_token stop);

  private:
    Result<void> open_backend();
    void take_foreign(const std::map<unsigned, tpm::PcrValues>& foreign);
    bool record_foreign();
    bool process(const spool::SpoolItem& item);
    bool begin_list(const spool::PolicyChange& change);
    bool take_policy(const spool::PolicyChange& change);
    bool take_event(const events::KeyEvent& event);
    const policy::Rule* decide(const events::KeyEvent& event, const events::Concern& concern) const;
    std::vector<std::pair<events::Concern, const policy::Rule*>> wanted(
        const events::KeyEvent& event) const;
    void measure_event(const events::KeyEvent& event, const events::Concern& concern,
                       const policy::Rule& rule);
    bool take_baseline(const events::Baseline& baseline);
    void collect(unsigned pcr, std::string_view name, Bytes buf);
    void collect(const Record& record) { collect(config_.tpm.pcr, record.name, record.buf); }
    bool commit_is_due();
    bool commit();
    bool append(unsigned pcr, const Record& record);
    bool append(const Record& record) { return append(config_.tpm.pcr, record); }
    bool append(std::span<const NewEntry> entries);
    bool record_findings();
    void note_tampered(const std::string& what);
    void compare_tpm(const records::TpmState& now, bool set_back);
    bool resume(const spool::Resume& resume);
    void write_journal();
    void settle();
    void give_up_backend(const Error& error);
    void degrade(const std::string& why);

    const settings::Config& config_;
    spool::Spool& spool_;
    status::SharedStatus& status_;
    const records::Speaker speaker_;
    std::optional<Backend> backend_;
    std::shared_ptr<const settings::LoadedPolicy> policy_;
    Group group_;
    std::optional<Journal> journal_;
    bool journal_failed_ = false;
    events::KeyTable table_{kMaterialBytes};
    std::uint64_t untrimmed_ = 0;             // events and keys since free memory was given back
    bool recalled_ = false;                   // the table has what a former daemon's list says
    bool introduced_ = false;                 // the list says that this process is speaking
    bool published_ = false;                  // the PCR's values in the status are those of now
    bool restarted_ = false;                  // the next baseline is the first of this process only
    std::uint64_t done_ = 0;                  // of the spool: it is in the list (Spool::taken)
    std::optional<std::uint64_t> list_size_;  // that the list must have
    std::vector<Record> findings_;            // to be recorded
    std::optional<records::TpmState> tpm_;    // as the list has it
    std::optional<std::uint64_t> extended_;   // entries of the list that the PCRs have
    bool set_back_ = false;                   // the PCRs lack entries that they had
    std::optional<NewEntry> kernels_;         // entry, that the list has to begin with
    std::set<unsigned> unexplained_;  // PCRs that were not at their start when the list began
    Clock::time_point looked_at_pcr_;
};

void Measurer::degrade(const std::string& why) {
    log_event(LogLevel::kError, "degraded: " + why, {{"KEYSCRIBE_STATE", "degraded"}});
    status_.update([&](status::Status& status) {
        if (std::ranges::find(status.degraded, why) == status.degraded.end())
            status.degraded.push_back(why);
    });
}

void Measurer::give_up_backend(const Error& error) {
    const std::string why = to_string(error);
    bool known = false;
    backend_.reset();
    status_.update([&](status::Status& status) {
        known = std::exchange(status.tpm.error, why) == why;
        status.tpm.ready = false;
    });
    // Said once, not at every attempt.
    if (!known)
        log_event(LogLevel::kWarning, "cannot measure: " + why,
                  {{"KEYSCRIBE_STATE", "waiting"}, {"KEYSCRIBE_WAITING_FOR", "tpm"}});
}

/// The PCR has what the list does not explain. From now on the replay begins there, and the list
/// says so: at once, or, where it has not begun, after its first entries.
void Measurer::take_foreign(const std::map<unsigned, tpm::PcrValues>& foreign) {
    for (const auto& [pcr, values] : foreign) {
        degrade("PCR " + std::to_string(pcr) + " was extended by somebody else");
        backend_->log->adopt(pcr, values);
        unexplained_.insert(pcr);
    }
}

/// False: try again.
bool Measurer::record_foreign() {
    while (!unexplained_.empty()) {
        const unsigned pcr = *unexplained_.begin();
        const Record record = records::foreign_record(pcr, backend_->log->values(pcr));
        if (!append(pcr, record)) return false;
        unexplained_.erase(pcr);
        if (!backend_) return false;
    }
    return true;
}

void Measurer::note_tampered(const std::string& what) {
    degrade(what);
    findings_.push_back(records::tampered_record(boot_time_ns(), what));
}

/// False: try again.
bool Measurer::record_findings() {
    while (!findings_.empty()) {
        if (!append(findings_.front())) return false;
        findings_.erase(findings_.begin());
        if (!backend_) return false;
    }
    return true;
}

/// PCRs begin anew at a boot only, and so does the list. Where they did it before, opening has
/// extended the list once more, in the banks that there are now.
void Measurer::compare_tpm(const records::TpmState& now, bool set_back) {
    std::string what;
    if (tpm_ && tpm_->resets != now.resets)
        what = "the TPM was reset while the system runs";
    else if (set_back)
        what = "the TPM's PCRs were set back while the system runs";
    if (tpm_ && tpm_->banks != now.banks)
        what +=
            (what.empty() ? "" : ", and ") +
            ("the PCR banks changed from " + names_of(tpm_->banks) + " to " + names_of(now.banks));
    tpm_ = now;
    if (what.empty()) return;
    degrade(what);
    findings_.push_back(records::tpm_record(boot_time_ns(), now, what));
}

Result<void> Measurer::open_backend() {
    const WaitingForTpm waiting(status_);
    auto tpm = tpm::Tpm::open(config_.tpm.tcti);
    if (!tpm) return std::unexpected(tpm.error());
    Backend backend{.tpm = std::make_unique<tpm::Tpm>(std::move(*tpm)), .log = nullptr};
    Recovery recovery;
    auto log = MeasurementLog::open(config_.list.directory, *backend.tpm, config_.tpm.pcr, recovery,
                                    list_size_);
    // A failed extend is owed, and those of its commit behind it; no more.
    if (extended_ && recovery.missing > recovery.entries - std::min(*extended_, recovery.entries))
        set_back_ = true;
    if (!log) return std::unexpected(log.error());
    backend.log = std::make_unique<MeasurementLog>(std::move(*log));
    backend_ = std::move(backend);

    if (recovery.torn_bytes != 0)
        spdlog::warn("the list ended in the middle of an entry: {} bytes were cut off",
                     recovery.torn_bytes);
    if (recovery.owed != 0) spdlog::warn("{} extends were owed and are made", recovery.owed);
    list_size_ = backend_->log->size();
    if (!recalled_) {
        if (const auto list = backend_->log->list()) tpm_ = recall(*list, table_);
        recalled_ = true;
    }
    extended_ = recovery.entries;
    compare_tpm(recovery.tpm, std::exchange(set_back_, false));
    for (const std::string& what : recovery.tampered) note_tampered(what);
    if (const auto found = recovery.foreign.find(config_.tpm.pcr);
        found != recovery.foreign.end() && recovery.entries == 0) {
        kernels_ = kernels_aggregate(short_ima_list(), found->first, found->second);
        if (kernels_) {
            backend_->log->adopt(found->first, found->second);
            recovery.foreign.erase(found);
        }
    }
    take_foreign(recovery.foreign);
    published_ = false;
    bool failed = false;
    status_.update([&](status::Status& status) {
        failed = !std::exchange(status.tpm.error, {}).empty();
        status.tpm.ready = true;
        status.counters.list_entries = backend_->log->entries();
    });
    if (failed) log_event(LogLevel::kInfo, "the TPM answers", {{"KEYSCRIBE_STATE", "measuring"}});
    return {};
}

/// With the entries the list has everything up to `done_`. False: nothing was appended.
bool Measurer::append(std::span<const NewEntry> entries) {
    const std::uint64_t before = backend_->log->size();
    const std::uint64_t after = before + encoded_size(entries);
    spool_.begin_commit(done_, before, after);
    fault_point("before-list-append");
    const auto done = [&] {
        const WaitingForTpm waiting(status_);
        return backend_->log->append(entries);
    }();
    if (!done && !done.error().in_list) {
        const std::string why = to_string(done.error().error);
        spdlog::error("{}", why);
        backend_->log->rescue();
        backend_.reset();
        status_.update([&](status::Status& status) { status.list_error = why; });
        return false;
    }
    list_size_ = after;
    spool_.end_commit();
    if (!done) {
        // The entries stand; opening anew finds which extends are owed.
        give_up_backend(done.error().error);
        return true;
    }
    published_ = false;
    extended_ = backend_->log->entries();
    status_.update([&](status::Status& status) {
        status.list_error.clear();
        status.counters.list_entries = backend_->log->entries();
        status.counters.extends += std::ranges::count(entries, false, &NewEntry::extended);
    });
    return true;
}

bool Measurer::append(unsigned pcr, const Record& record) {
    return append(single_entries({{pcr, record.name, {record.buf.begin(), record.buf.end()}}}));
}

void Measurer::collect(unsigned pcr, std::string_view name, Bytes buf) {
    group_.records.push_back({pcr, std::string(name), {buf.begin(), buf.end()}});
    group_.bytes += name.size() + buf.size();
    group_.taken = spool_.taken();
}

/// As soon as nobody waits any more, or the group is large enough. A short queue makes no group:
/// there the first event is committed at once, and alone.
bool Measurer::commit_is_due() {
    if (group_.records.empty()) return false;
    if (group_.each || group_.records.size() >= kGroupRecords || group_.bytes >= kGroupBytes)
        return true;
    const std::uint64_t waiting = spool_.totals().waiting;
    return waiting == 0 || (group_.events <= 1 && waiting < kManyWait);
}

/// False: has to be tried again.
bool Measurer::commit() {
    if (group_.records.empty()) return true;
    if (!backend_) return false;
    done_ = group_.taken;
    const bool alone = group_.each || (group_.events <= 1 && group_.records.size() <= kAlone);
    if (!append(alone ? single_entries(group_.records) : batch_entries(group_.records)))
        return false;
    fault_point("before-journal");
    write_journal();
    status_.update([&](status::Status& status) { status.counters.measured += group_.events; });
    group_ = {};
    fault_point("after-commit");
    return true;
}

/// The first entries: which machine state, which program. Written with the first policy that has a
/// rule, so that without one nothing is measured at all.
bool Measurer::begin_list(const spool::PolicyChange& change) {
    if (introduced_) return true;
    const std::uint64_t entries = backend_->log->entries();
    if (entries == 0 && change.loaded->policy.rules.empty()) return true;
    if (entries == 0 && kernels_) {
        if (!append(std::array{*kernels_}) || !backend_) return false;
    } else if (entries == 0) {
        const WaitingForTpm waiting(status_);
        auto aggregate = boot_aggregate(*backend_->tpm, backend_->log->banks());
        if (!aggregate) {
            give_up_backend(aggregate.error());
            return false;
        }
        const WipedBytes data =
            list::encode_ima_ng(aggregate->algorithm, aggregate->digest, "boot_aggregate");
        const std::array entries{NewEntry{config_.tpm.pcr, "ima-ng", data}};
        if (!append(entries) || !backend_) return false;
    }
    // An interrupted beginning (boot_aggregate without a start) goes on as one.
    if (!append(records::start_record(speaker_, *tpm_, entries > 1 ? entries : 0))) return false;
    introduced_ = true;
    restarted_ = entries > 1;
    return backend_.has_value();
}

/// What the former process left is judged as it would have judged it.
bool Measurer::resume(const spool::Resume& resume) {
    if (!begin_list({.loaded = resume.loaded}) || !record_foreign()) return false;
    policy_ = resume.loaded;
    // By what the list says; where it says nothing yet, by what the keyrings hold now.
    if (resume.baseline != nullptr && table_.keys() == 0) table_.take(*resume.baseline);
    return true;
}

bool Measurer::take_policy(const spool::PolicyChange& change) {
    if (!commit() || !backend_) return false;
    if (!begin_list(change)) return false;
    if (introduced_ && !record_foreign()) return false;
    done_ = spool_.taken();
    if (introduced_ && !append(records::policy_record(change.loaded->files, change.generation)))
        return false;
    policy_ = change.loaded;
    // A policy that a former process left in the spool has none: it stands in the list.
    return change.baseline == nullptr || take_baseline(*change.baseline);
}

void Measurer::write_journal() {
    if (group_.journal.empty()) return;
    Result<void> done;
    if (!journal_) {
        auto journal = Journal::open(config_.journal.directory, speaker_.boot_id,
                                     config_.journal.max_size, config_.journal.files);
        if (journal)
            journal_ = std::move(*journal);
        else
            done = std::unexpected(journal.error());
    }
    std::uint64_t failed = 0;
    for (nlohmann::json& line : group_.journal) {
        line["entry"] = backend_ ? nlohmann::json(backend_->log->entries()) : nullptr;
        if (journal_ && done) done = journal_->append(line);
        if (!done) ++failed;
    }
    if (failed != 0)
        status_.update(
            [failed](status::Status& status) { status.counters.journal_failed += failed; });
    // Said once, not for every event; the list does not depend on it.
    if (!done != journal_failed_) {
        const std::string why = done ? "" : to_string(done.error());
        if (!done) spdlog::error("{}", why);
        status_.update([&](status::Status& status) { status.journal_error = why; });
    }
    journal_failed_ = !done;
}

void Measurer::measure_event(const events::KeyEvent& event, const events::Concern& concern,
                             const policy::Rule& rule) {
    const unsigned pcr = rule.pcr.value_or(config_.tpm.pcr);
    // The filter may have sent a payload for a rule that did not decide after all.
    const bool asked_for = concern.brings_material && policy::wants_payload(rule, event.key_type);
    const bool whole = event.payload.size() == event.payload_length && !event.payload.empty();
    const WipedBytes* payload = !asked_for ? nullptr
                                : whole    ? &event.payload
                                           : table_.material(event);
    const bool could_pass_for_a_record = list::record_kind(concern.keyring.name).has_value();
    const records::Proof proof{.plain = payload != nullptr && !could_pass_for_a_record &&
                                        rule.payload == policy::Payload::kFull,
                               .payload = payload,
                               .wanted = asked_for && event.key_type == "asymmetric"};
    if (proof.plain) collect(pcr, list::ima_event_name(concern.keyring.name), *payload);
    const Record record =
        records::event_record(event, policy::operation_name(event.operation), concern.keyring,
                              proof, rule.provenance == policy::Provenance::kMeasured);
    collect(pcr, record.name, record.buf);
}

const policy::Rule* Measurer::decide(const events::KeyEvent& event,
                                     const events::Concern& concern) const {
    const policy::Rule* rule = policy::decide(policy_->policy, {.operation = event.operation,
                                                                .keyring = concern.judged_as,
                                                                .key_type = event.key_type,
                                                                .description = event.description,
                                                                .uid = event.actor.uid,
                                                                .euid = event.actor.euid,
                                                                .gid = event.actor.gid,
                                                                .egid = event.actor.egid});
    return rule == nullptr || rule->action == policy::Action::kDontMeasure ? nullptr : rule;
}

/// What the policy wants of the event: no keyring twice.
std::vector<std::pair<events::Concern, const policy::Rule*>> Measurer::wanted(
    const events::KeyEvent& event) const {
    std::vector<std::pair<events::Concern, const policy::Rule*>> wanted;
    if (event.flags & KS_EVENT_REMEMBER) return wanted;
    for (events::Concern& concern : events::concerns_of(event, table_)) {
        const auto same = [&](const auto& other) {
            return other.first.keyring.serial == concern.keyring.serial;
        };
        if (std::ranges::any_of(wanted, same)) continue;
        if (const policy::Rule* rule = decide(event, concern))
            wanted.emplace_back(std::move(concern), rule);
    }
    return wanted;
}

bool Measurer::take_event(const events::KeyEvent& received) {
    ++untrimmed_;
    std::optional<events::KeyEvent> completed;
    if (received.flags & KS_EVENT_SERIAL_ONLY) table_.complete(completed.emplace(received));
    const events::KeyEvent& event = completed ? *completed : received;
    const auto measured = wanted(event);
    const bool each = std::ranges::any_of(
        measured, [](const auto& one) { return one.second->commit == policy::Commit::kEach; });
    if (each && (!commit() || !backend_)) return false;
    for (const auto& [concern, rule] : measured) measure_event(event, concern, *rule);
    table_.take(event);
    if (measured.empty()) {
        status_.update([](status::Status& status) { ++status.counters.unmatched; });
        return true;
    }
    group_.each = each;
    ++group_.events;
    if (config_.journal.enabled) {
        auto line = to_json(event);
        for (const auto& [concern, rule] : measured)
            line["keyrings"].push_back({{"serial", concern.keyring.serial},
                                        {"name", kernel_string(concern.keyring.name)}});
        group_.journal.push_back(std::move(line));
    }
    status_.update([](status::Status& status) { ++status.counters.matched; });
    return true;
}

/// Without a list there is nobody to tell.
bool Measurer::take_baseline(const events::Baseline& baseline) {
    const events::KeyTable::Change change = table_.difference(baseline);
    table_.take(baseline);
    if (!introduced_) return true;
    const std::string reason = restarted_ ? "restart" : baseline.reason;
    collect(records::baseline_begin_record(baseline.boot_time_ns, reason, baseline.keyrings));
    for (const events::KeyEvent& key : baseline.keys) {
        collect(records::baseline_record(key));
        // A daemon that dies in the midst of one is followed by one that begins with another. What
        // fails here stays in the group.
        if (group_.records.size() >= kGroupRecords || group_.bytes >= kGroupBytes) commit();
    }
    untrimmed_ += baseline.keys.size();
    std::optional<records::Difference> unseen;
    if (restarted_) unseen = {change.appeared, change.vanished};
    if (restarted_ && change.appeared + change.vanished != 0)
        log_event(LogLevel::kWarning,
                  "while no daemon looked, " + std::to_string(change.appeared) +
                      " keys appeared in watched keyrings and " + std::to_string(change.vanished) +
                      " vanished",
                  {{"KEYSCRIBE_APPEARED", std::to_string(change.appeared)},
                   {"KEYSCRIBE_VANISHED", std::to_string(change.vanished)}});
    collect(records::baseline_end_record(baseline.boot_time_ns, baseline.keyrings.size(),
                                         baseline.keys.size(), unseen));
    restarted_ = false;
    return true;
}

/// False: the item has to be tried again.
bool Measurer::process(const spool::SpoolItem& item) {
    if (const auto* change = std::get_if<spool::PolicyChange>(&item)) return take_policy(*change);
    if (const auto* event = std::get_if<events::KeyEvent>(&item)) return take_event(*event);
    if (const auto* relook = std::get_if<spool::Relook>(&item))
        return take_baseline(*relook->baseline);
    if (const auto* former = std::get_if<spool::Resume>(&item)) return resume(*former);
    if (const auto* tampered = std::get_if<spool::Tampered>(&item)) {
        note_tampered(tampered->what);
        return true;
    }
    if (const auto* detached = std::get_if<spool::Detached>(&item)) {
        degrade(detached->what);
        if (introduced_) collect(records::detached_record(boot_time_ns(), detached->what));
        return true;
    }
    if (!introduced_) return true;  // there is no list that could be incomplete
    if (const auto* loss = std::get_if<events::Loss>(&item))
        collect(records::loss_record(loss->first, loss->last, loss->lost()));
    else if (const auto* missed = std::get_if<spool::Missed>(&item))
        collect(records::missed_record(missed->count));
    else if (const auto* drop = std::get_if<spool::Drop>(&item))
        collect(
            records::drop_record(drop->reason == spool::Drop::Reason::kSize ? "size" : "deadline",
                                 drop->count, drop->first_sequence, drop->last_sequence));
    return true;
}

/// When nothing waits: shows the PCR, sees now and then whether somebody else was there, and gives
/// back the memory that a burst took.
void Measurer::settle() {
    if (!published_) {
        published_ = true;
        status_.update([&](status::Status& status) {
            status.tpm.values.clear();
            for (const auto& [bank, value] : backend_->log->values(config_.tpm.pcr))
                status.tpm.values[std::string(name_of(bank))] = to_hex(value);
        });
    }
    spool_.release(done_ = spool_.taken());
    if (!backend_->log->is_untouched()) {
        // Opening anew compares and repairs.
        backend_->log->rescue();
        backend_.reset();
        return;
    }
    if (Clock::now() - looked_at_pcr_ < kLookAtPcr) return;
    looked_at_pcr_ = Clock::now();
    if (untrimmed_ >= kTrimAfter) {
        ::malloc_trim(0);
        untrimmed_ = 0;
    }
    const WaitingForTpm waiting(status_);
    const auto foreign = backend_->log->foreign_extends();
    if (!foreign) return give_up_backend(foreign.error());
    // A foreign extend, or a reset: opening anew finds out.
    if (!foreign->empty()) backend_.reset();
}

void Measurer::run(std::stop_token stop) {
    std::mutex mutex;
    std::condition_variable_any wake;
    const auto pause = [&](std::chrono::seconds time = kRetry) {
        std::unique_lock lock(mutex);
        wake.wait_for(lock, stop, time, [] { return false; });
    };
    std::chrono::seconds retry = kRetry;
    std::optional<spool::SpoolItem> item;
    for (;;) {
        if (!backend_) {
            if (auto opened = open_backend(); !opened) {
                give_up_backend(opened.error());
                if (stop.stop_requested()) return;
                pause(retry);
                retry = std::min<std::chrono::seconds>(2 * retry, kSlowestRetry);
                continue;
            }
            retry = kRetry;
        }
        if (introduced_ && (!record_foreign() || !record_findings())) {
            if (stop.stop_requested()) return;
            pause();
            continue;
        }
        if (!item) {
            // A group is committed, and the PCR shown, as soon as there is nothing else to do.
            const bool idle = !group_.records.empty() || !published_ || stop.stop_requested();
            item = spool_.pop(idle ? 0s : kRetry);
        }
        if (item && process(*item)) {
            item.reset();
            if (!commit_is_due()) continue;
        }
        if (!group_.records.empty() ? !commit() : item.has_value()) {
            if (stop.stop_requested()) return;
            pause();
        } else if (!item && backend_) {
            settle();
            if (stop.stop_requested()) return;
        }
    }
}

}  // namespace

void run_measurer(const MeasurerContext& context, std::stop_token stop) {
    Measurer(context).run(stop);
}

}  // namespace keyscribe::measure
