// SPDX-License-Identifier: Apache-2.0
// Whom the host is enrolled with, and how the visits go: for status and doctor.
#pragma once

#include <nlohmann/json.hpp>

#include "controller/host/settings/config.h"

namespace keyscribe::cli {

/// {"url", "host", "name", "last_visit": null or as last-visit.json has it}; {"error"} where the
/// enrolment cannot be read; null where there is none.
nlohmann::json verifier_status(const settings::Config& config);

/// As the lines of `keyscribe status`; nothing of null.
void print_verifier(const nlohmann::json& verifier);

}  // namespace keyscribe::cli
