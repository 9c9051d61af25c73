// SPDX-License-Identifier: Apache-2.0
// The TPM and the list that stands for its PCRs: opened together, given up together. What fails is
// shown in the status; opening anew finds by replay what the PCRs still lack.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "controller/host/measure/boot_aggregate.h"
#include "controller/host/measure/measurement_log.h"
#include "controller/host/records/records.h"
#include "controller/host/settings/config.h"
#include "controller/host/status/status.h"
#include "controller/host/tpm/tpm.h"

namespace keyscribe::measure {

/// What opening found that the list has to be told.
struct Opened {
    std::vector<std::string> tampered;       ///< what somebody changed in the list: a sentence each
    std::optional<std::string> tpm_changed;  ///< the TPM was reset, set back, or has other banks
    std::set<unsigned> foreign;              ///< PCRs that somebody else extended
    std::optional<WipedBytes> list;          ///< as it stands; of the first opening alone
};

enum class Appended {
    kNothing,  ///< nothing was written: the same may be appended again
    kInList,   ///< the list has it; where an extend failed, the next opening makes it
};

class Backend {
  public:
    /// `list_size`: in bytes, what the list must have where that is known.
    Backend(const settings::Config& config, status::SharedStatus& status,
            std::optional<std::uint64_t> list_size)
        : config_(config), status_(status), list_size_(list_size) {}

    bool is_open() const { return log_ != nullptr; }

    /// Mends the list, replays it, and makes the extends that are owed. Error: the TPM does not
    /// answer, or the list cannot be used; the status says which, and open() may be called again.
    Result<Opened> open();

    /// To be opened anew, which compares list and PCRs and repairs. The list's files stay open
    /// until then: of a list that somebody is removing they are all that is left.
    void close();

    /// Appends to the list, then extends. Closes after a failure.
    Appended append(std::span<const NewEntry> entries);

    /// Returns the list's first entry: boot_aggregate, the kernel's own where its list explains the
    /// PCR. Error: the TPM; it is closed.
    Result<NewEntry> first_entry();

    /// Looks whether somebody else wrote to the list, and, unless `list_alone`, extended a PCR.
    /// Closes where that is so.
    void look_for_others(bool list_alone);

    /// While open.
    const MeasurementLog& log() const { return *log_; }
    /// The PCR's state that the list's next start record names.
    const records::TpmState& tpm_state() const { return *tpm_state_; }

  private:
    void give_up(const Error& error);
    Result<MeasurementLog> open_log(tpm::Tpm& tpm, Recovery& recovery);
    std::optional<std::string> compare_tpm(const records::TpmState& now, bool set_back);

    const settings::Config& config_;
    status::SharedStatus& status_;
    std::unique_ptr<tpm::Tpm> tpm_;
    std::unique_ptr<MeasurementLog> log_;
    std::optional<ListFiles> former_files_;       // of the log that was closed
    std::optional<std::uint64_t> list_size_;      // that the list must have
    std::optional<records::TpmState> tpm_state_;  // as the list has it
    std::optional<std::uint64_t> extended_;       // entries of the list that the PCRs have
    bool set_back_ = false;                       // the PCRs lack entries that they had
    bool opened_before_ = false;
    std::optional<NewEntry> kernels_;  // entry, that the list has to begin with
};

}  // namespace keyscribe::measure
