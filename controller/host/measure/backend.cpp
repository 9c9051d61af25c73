// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/backend.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <utility>

#include "controller/base/log.h"
#include "controller/host/measure/former_list.h"
#include "controller/host/measure/restore_key_table.h"
#include "controller/list/template_data.h"

namespace keyscribe::measure {
namespace {

constexpr const char* kImaList = "/sys/kernel/security/ima/binary_runtime_measurements";

/// Returns IMA's list where it is so short that it can be its first entry alone; else nothing.
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

/// While it lives, the status says that measuring waits for the TPM.
class WaitingForTpm {
  public:
    explicit WaitingForTpm(status::SharedStatus& status) : status_(status) {
        status_.update(
            [](status::Status& now) { now.tpm.asked_since = std::chrono::steady_clock::now(); });
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

}  // namespace

void Backend::close() {
    if (log_) {
        former_files_ = log_->take_files();
        (void)former_files_->rescue();  // open() tries again, and tells
    }
    log_.reset();
    tpm_.reset();
    status_.update([](status::Status& status) { status.recorder_settled = false; });
}

void Backend::give_up(const Error& error) {
    const std::string why = to_string(error);
    bool known = false;
    close();
    status_.update([&](status::Status& status) {
        known = std::exchange(status.tpm.error, why) == why;
        status.tpm.ready = false;
    });
    // Logged once, not at every attempt.
    if (!known)
        log_event(LogLevel::kWarning, "cannot measure: " + why,
                  {{"KEYSCRIBE_STATE", "waiting"}, {"KEYSCRIBE_WAITING_FOR", "tpm"}});
}

/// PCRs begin anew at a boot only, and so does the list. Where they did it before, opening has
/// extended the list once more, in the banks that there are now.
std::optional<std::string> Backend::compare_tpm(const records::TpmState& now, bool set_back) {
    std::string what;
    if (tpm_state_ && tpm_state_->resets != now.resets)
        what = "the TPM was reset while the system runs";
    else if (set_back)
        what = "the TPM's PCRs were set back while the system runs";
    if (tpm_state_ && tpm_state_->banks != now.banks)
        what += (what.empty() ? "" : ", and ") +
                ("the PCR banks changed from " + names_of(tpm_state_->banks) + " to " +
                 names_of(now.banks));
    tpm_state_ = now;
    return what.empty() ? std::nullopt : std::optional(what);
}

/// At first with the list that a daemon kept before a kexec, where there is one and it is the
/// PCR's.
Result<MeasurementLog> Backend::open_log(tpm::Tpm& tpm, Recovery& recovery) {
    const auto open = [&](Recovery& to) {
        auto log =
            MeasurementLog::open(config_.list.directory, tpm, config_.tpm.pcr, to, list_size_);
        if (log)
            log->set_limit(share_of_file_system(config_.list.directory, config_.list.max_share));
        return log;
    };
    if (former_files_) {
        const auto in_place = former_files_->rescue();
        if (!in_place) return std::unexpected(in_place.error());
        auto log = open(recovery);
        // Whoever removes a folder can be in the middle of it.
        if (log && !log->holds(*in_place))
            return fail("the measurement list was removed while it was put back",
                        config_.list.directory / ListFiles::kBinary, "it is tried again");
        return log;
    }
    const auto taken = take_former_list(config_.list.directory, config_.list.former);
    if (!taken)
        spdlog::warn("the list that was kept over a kexec is of no use: {}",
                     to_string(taken.error()));
    if (!taken || !*taken) return open(recovery);
    list_size_.reset();
    Recovery with_former;
    auto log = open(with_former);
    if (!log || !with_former.foreign.contains(config_.tpm.pcr)) {
        recovery = std::move(with_former);
        return log;
    }
    spdlog::warn("the list that was kept over a kexec does not give PCR {}: it is not used",
                 config_.tpm.pcr);
    log = std::unexpected(Error{});
    drop_former_list(config_.list.directory);
    return open(recovery);
}

Result<Opened> Backend::open() {
    const WaitingForTpm waiting(status_);
    auto tpm = tpm::Tpm::open(config_.tpm.tcti);
    if (!tpm) {
        give_up(tpm.error());
        return std::unexpected(tpm.error());
    }
    auto opened_tpm = std::make_unique<tpm::Tpm>(std::move(*tpm));
    Recovery recovery;
    auto log = open_log(*opened_tpm, recovery);
    // A failed extend is owed, and those of its commit behind it; no more.
    if (extended_ && recovery.missing > recovery.entries - std::min(*extended_, recovery.entries))
        set_back_ = true;
    if (!log) {
        give_up(log.error());
        return std::unexpected(log.error());
    }
    tpm_ = std::move(opened_tpm);
    log_ = std::make_unique<MeasurementLog>(std::move(*log));
    former_files_.reset();

    if (recovery.torn_bytes != 0)
        spdlog::warn("the list ended in the middle of an entry: {} bytes were cut off",
                     recovery.torn_bytes);
    if (recovery.owed != 0) spdlog::warn("{} extends were owed and are made", recovery.owed);
    list_size_ = log_->size();
    Opened opened;
    if (!std::exchange(opened_before_, true)) {
        if (auto list = log_->list()) {
            tpm_state_ = recorded_tpm_state(*list);
            opened.list = std::move(*list);
        }
    }
    extended_ = recovery.entries;
    opened.tpm_changed = compare_tpm(recovery.tpm, std::exchange(set_back_, false));
    opened.tampered = std::move(recovery.tampered);
    if (const auto found = recovery.foreign.find(config_.tpm.pcr);
        found != recovery.foreign.end() && recovery.entries == 0) {
        kernels_ = kernels_aggregate(short_ima_list(), found->first, found->second);
        if (kernels_) {
            log_->adopt(found->first, found->second);
            recovery.foreign.erase(found);
        }
    }
    // From now on the replay begins at the values that nobody explains.
    for (const auto& [pcr, values] : recovery.foreign) {
        log_->adopt(pcr, values);
        opened.foreign.insert(pcr);
    }
    bool failed = false;
    status_.update([&](status::Status& status) {
        failed = !std::exchange(status.tpm.error, {}).empty();
        status.tpm.ready = true;
        status.counters.list_entries = log_->entries();
    });
    if (failed) log_event(LogLevel::kInfo, "the TPM answers", {{"KEYSCRIBE_STATE", "measuring"}});
    return opened;
}

Appended Backend::append(std::span<const NewEntry> entries) {
    const std::uint64_t after = log_->size() + encoded_size(entries);
    const auto done = [&] {
        const WaitingForTpm waiting(status_);
        return log_->append(entries);
    }();
    if (!done && !done.error().in_list) {
        const std::string why = to_string(done.error().error);
        spdlog::error("{}", why);
        close();
        status_.update([&](status::Status& status) { status.list_error = why; });
        return Appended::kNothing;
    }
    list_size_ = after;
    if (!done) {
        give_up(done.error().error);
        return Appended::kInList;
    }
    extended_ = log_->entries();
    status_.update([&](status::Status& status) {
        status.recorder_settled = false;
        status.list_error.clear();
        status.counters.list_entries = log_->entries();
        status.counters.extends += std::ranges::count(entries, false, &NewEntry::extended);
    });
    return Appended::kInList;
}

Result<NewEntry> Backend::first_entry() {
    if (kernels_) return *kernels_;
    const WaitingForTpm waiting(status_);
    const auto aggregate = boot_aggregate(*tpm_, log_->banks());
    if (!aggregate) {
        give_up(aggregate.error());
        return std::unexpected(aggregate.error());
    }
    return NewEntry{config_.tpm.pcr, "ima-ng",
                    list::encode_ima_ng(aggregate->algorithm, aggregate->digest, "boot_aggregate")};
}

void Backend::look_for_others(bool list_alone) {
    if (!log_->is_untouched()) return close();
    if (list_alone) return;
    const WaitingForTpm waiting(status_);
    const auto foreign = log_->foreign_extends();
    if (!foreign) return give_up(foreign.error());
    // A foreign extend, or a reset: opening anew tells which.
    if (!foreign->empty()) close();
}

}  // namespace keyscribe::measure
