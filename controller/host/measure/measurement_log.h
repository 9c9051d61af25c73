// SPDX-License-Identifier: Apache-2.0
// The measurement list and the PCRs that it stands for. The list is appended before the PCR is
// extended, so after a crash the PCR itself says how far the extends got.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "controller/base/error.h"
#include "controller/host/measure/list_writer.h"
#include "controller/host/records/records.h"
#include "controller/host/tpm/tpm.h"
#include "controller/list/list_reader.h"

namespace keyscribe::measure {

/// What opening found, and mended.
struct Recovery {
    std::uint64_t entries = 0;  ///< in the list
    std::uint64_t missing = 0;  ///< extends that the PCRs lack; set where opening fails too
    std::uint64_t owed = 0;     ///< of these, made now
    records::TpmState tpm;
    std::uint64_t torn_bytes = 0;                ///< of what a death cut short
    std::vector<std::string> tampered;           ///< what somebody changed: a sentence each
    std::map<unsigned, tpm::PcrValues> foreign;  ///< PCRs that no prefix of the list explains
};

/// An entry that did not make it.
struct AppendError {
    Error error;
    bool in_list = false;  ///< the list has it, only the extend is owed: do not append it again
};

/// Not thread-safe; `tpm` must outlive it.
class MeasurementLog {
  public:
    /// Mends the list in `directory` (of this boot, or empty), replays it against `pcr` and
    /// whichever other PCRs it names, in every bank, and makes the extends that are owed.
    /// `size`: what the list is known to have, in bytes.
    static Result<MeasurementLog> open(const std::filesystem::path& directory, tpm::Tpm& tpm,
                                       unsigned pcr, Recovery& recovery,
                                       std::optional<std::uint64_t> size = {});

    /// Appends the entries to the list, in one write, and extends them one after the other into
    /// every bank of their PCRs. After an AppendError with in_list this object cannot be used any
    /// more: the next open() makes the extends that are owed.
    std::expected<void, AppendError> append(std::span<const NewEntry> entries);

    /// Gives up the list's files, which stay open: all that is left of a list that somebody
    /// removes. This object cannot be used any more.
    ListFiles take_files() { return std::move(files_); }
    /// See ListFiles.
    bool holds(const UniqueFd& binary) const { return files_.holds(binary); }
    /// Returns true where nobody else wrote to the list since this object did.
    bool is_untouched() const { return files_.is_untouched(); }

    /// Returns the PCRs whose values differ from what was extended here, with what they have.
    Result<std::map<unsigned, tpm::PcrValues>> foreign_extends();

    /// Continues the replay from these values; the caller records that.
    void adopt(unsigned pcr, const tpm::PcrValues& found) { values_[pcr] = found; }

    /// The values that this log has given the PCR.
    const tpm::PcrValues& values(unsigned pcr) const { return values_.at(pcr); }
    const std::vector<Algorithm>& banks() const { return banks_; }
    /// The binary list as it stands.
    Result<WipedBytes> list() const { return files_.read(); }
    std::uint64_t entries() const { return entries_; }
    std::uint64_t size() const { return files_.size(); }  ///< of the binary list, in bytes
    std::uint64_t extends() const { return extends_; }
    /// See ListFiles.
    void set_limit(std::uint64_t bytes) { files_.set_limit(bytes); }

  private:
    MeasurementLog(ListFiles files, tpm::Tpm& tpm, std::vector<Algorithm> banks)
        : files_(std::move(files)), tpm_(&tpm), banks_(std::move(banks)) {}
    Result<void> recover(unsigned pcr, const std::vector<list::Entry>& entries, Recovery& recovery);

    ListFiles files_;
    tpm::Tpm* tpm_;
    std::vector<Algorithm> banks_;
    std::map<unsigned, tpm::PcrValues> values_;
    std::uint64_t entries_ = 0;
    std::uint64_t extends_ = 0;
};

}  // namespace keyscribe::measure
