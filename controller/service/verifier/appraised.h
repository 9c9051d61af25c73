// SPDX-License-Identifier: Apache-2.0
// What is kept of an appraisal, and told.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "controller/service/verifier/host_store.h"

namespace keyscribe::verifier {

/// The findings that count, and the figures.
std::string summary_of(const appraise::Appraisal& appraisal, const std::string& name);
/// The first of the findings that count.
nlohmann::json reasons_of(const appraise::Appraisal& appraisal);

/// The kept state's file, as appraise() reads it, of a snapshot with the whole list.
std::vector<std::uint8_t> state_file(const Snapshot& snapshot);
/// What the PCR had before a list that began anew after a kexec, which the list alone does not say.
appraise::PcrBanks before_kexec_of(const Snapshot& whole);

/// The records that are kept of the host's list, views into the snapshot. Nothing: there are none
/// that this program reads, or they are of another visit than the row.
std::optional<appraise::KeptState> state_of(const Snapshot& snapshot, const HostRow& host);

}  // namespace keyscribe::verifier
