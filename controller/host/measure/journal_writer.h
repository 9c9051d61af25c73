// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "controller/host/measure/journal.h"
#include "controller/host/settings/config.h"
#include "controller/host/status/status.h"

namespace keyscribe::measure {

/// Writes the event journal, opened with its first line. The list does not depend on it: a failure
/// is shown in the status and logged once, and the next line is tried anew.
class JournalWriter {
  public:
    JournalWriter(const settings::Config& config, std::string boot_id, status::SharedStatus& status)
        : config_(config), boot_id_(std::move(boot_id)), status_(status) {}

    bool is_enabled() const { return config_.journal.enabled; }
    /// `entries`: how many the list has now; nothing: that is not known.
    void write(std::vector<nlohmann::json>& lines, std::optional<std::uint64_t> entries);

  private:
    const settings::Config& config_;
    const std::string boot_id_;
    status::SharedStatus& status_;
    std::optional<Journal> journal_;
    bool failed_ = false;
};

}  // namespace keyscribe::measure
