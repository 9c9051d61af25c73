// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/measurement_log.h"

#include <set>

#include "controller/base/fault_point.h"
#include "controller/host/measure/list_mender.h"
#include "controller/host/measure/replay_entry.h"
#include "controller/host/records/records.h"
#include "controller/list/template_data.h"

namespace keyscribe::measure {
namespace {

/// TCG PC Client Platform TPM Profile, 4.6: PCR 0 to 23.
constexpr std::uint32_t kLastPcr = 23;

tpm::PcrValues zeros(const std::vector<Algorithm>& banks) {
    tpm::PcrValues values;
    for (const Algorithm bank : banks) values[bank] = filled(bank, 0);
    return values;
}

}  // namespace

Result<MeasurementLog> MeasurementLog::open(const std::filesystem::path& directory, tpm::Tpm& tpm,
                                            unsigned pcr, Recovery& recovery,
                                            std::optional<std::uint64_t> size) {
    auto banks = tpm.banks(pcr);
    if (!banks) return std::unexpected(banks.error());
    const auto resets = tpm.resets();
    if (!resets) return std::unexpected(resets.error());
    auto left_alone = tpm.unknown_banks(pcr);
    if (!left_alone) return std::unexpected(left_alone.error());
    recovery.tpm = {.banks = *banks, .left_alone = std::move(*left_alone), .resets = *resets};
    auto mended = mend_list(directory, size, size.value_or(0));
    if (!mended) return std::unexpected(mended.error());
    recovery.torn_bytes = mended->torn;
    recovery.tampered = std::move(mended->findings);
    auto files = ListFiles::open(directory);
    if (!files) return std::unexpected(files.error());
    MeasurementLog log(std::move(*files), tpm, std::move(*banks));

    const auto list = log.files_.read();
    if (!list) return std::unexpected(list.error());
    const auto entries = list::read_list(*list);
    if (!entries) return std::unexpected(entries.error());
    recovery.entries = log.entries_ = entries->size();

    std::set<unsigned> pcrs{pcr};
    for (std::size_t i = 0; i < entries->size(); ++i) {
        const std::uint32_t named = (*entries)[i].pcr;
        if (named <= kLastPcr)
            pcrs.insert(named);
        else
            recovery.tampered.push_back("list: entry " + std::to_string(i) + " names PCR " +
                                        std::to_string(named) + ", which no TPM has");
    }
    for (const unsigned each : pcrs)
        if (auto done = log.recover(each, *entries, recovery); !done)
            return std::unexpected(done.error());
    return log;
}

Result<void> MeasurementLog::recover(unsigned pcr, const std::vector<list::Entry>& entries,
                                     Recovery& recovery) {
    auto found = tpm_->read_pcr(pcr, banks_);
    if (!found) return std::unexpected(found.error());

    // The longest prefix that gives what the PCR has.
    tpm::PcrValues value = zeros(banks_);
    std::optional<std::size_t> reached;
    std::size_t told_at = 0;  // the last entry that no extend leads to
    std::vector<const list::Entry*> mine;
    for (const list::Entry& entry : entries)
        if (entry.pcr == pcr) mine.push_back(&entry);
    if (value == *found) reached = 0;
    for (std::size_t i = 0; i < mine.size(); ++i) {
        // Or what the PCR had when a foreign record, whose own extend is owed, was written.
        if (const auto told = values_before(*mine[i])) {
            told_at = i;
            if (*told == *found) reached = i;
        }
        value = replay_entry(value, *mine[i]);
        if (value == *found) reached = i + 1;
    }
    values_[pcr] = value;
    if (!reached || *reached < told_at) {
        recovery.foreign[pcr] = *found;
        return {};
    }
    recovery.missing += mine.size() - *reached;
    for (std::size_t i = *reached; i < mine.size(); ++i) {
        tpm::PcrValues digests;
        for (const Algorithm bank : banks_) digests[bank] = list::extend_value(*mine[i], bank);
        if (auto done = tpm_->extend(pcr, digests); !done) return done;
        ++recovery.owed;
        ++extends_;
    }
    return {};
}

std::expected<void, AppendError> MeasurementLog::append(std::span<const NewEntry> entries) {
    if (auto done = files_.append(entries); !done)
        return std::unexpected(AppendError{done.error(), false});
    entries_ += entries.size();
    fault_point("after-list-append");
    for (const NewEntry& entry : entries) {
        if (entry.extended) continue;
        // A PCR that a rule names for the first time is taken to be at its start; where it is not,
        // foreign_extends() finds out.
        tpm::PcrValues& values = values_.try_emplace(entry.pcr, zeros(banks_)).first->second;
        tpm::PcrValues digests;
        for (const Algorithm bank : banks_) digests[bank] = hash(bank, entry.template_data);
        if (auto done = tpm_->extend(entry.pcr, digests); !done)
            return std::unexpected(AppendError{done.error(), true});
        fault_point("after-extend");
        ++extends_;
        for (auto& [bank, value] : values) value = list::extended(bank, value, digests[bank]);
    }
    return {};
}

Result<std::map<unsigned, tpm::PcrValues>> MeasurementLog::foreign_extends() {
    std::map<unsigned, tpm::PcrValues> foreign;
    for (const auto& [pcr, expected] : values_) {
        auto found = tpm_->read_pcr(pcr, banks_);
        if (!found) return std::unexpected(found.error());
        if (*found != expected) foreign[pcr] = *found;
    }
    return foreign;
}

}  // namespace keyscribe::measure
