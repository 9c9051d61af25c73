// SPDX-License-Identifier: Apache-2.0
// How the visits went, for keyscribe status and whoever looks after the host.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "controller/base/error.h"

namespace keyscribe::fleet {

inline constexpr const char* kLastVisitFile = "last-visit.json";

/// Times are seconds since 1970; 0: never.
struct LastVisit {
    std::int64_t time = 0;           ///< of the last try
    std::int64_t answered = 0;       ///< of the last one that got a verdict
    std::string verdict;             ///< which: "affirmed", "contraindicated", "none"
    std::int64_t failing_since = 0;  ///< the first try after that which got none
    std::string error;               ///< why the last one did not; "": it did
};

/// With times in RFC 3339, and null for what there is not.
nlohmann::json to_json(const LastVisit& visit);

Result<void> keep_last_visit(const std::filesystem::path& folder, const LastVisit& visit);

/// Nothing: the host has visited nobody yet, or the file is damaged, and the next visit writes it.
std::optional<LastVisit> read_last_visit(const std::filesystem::path& folder);

/// What is known after one more try, at `now`: a verdict, or why there is none.
LastVisit after_verdict(std::int64_t now, std::string verdict);
LastVisit after_failure(std::int64_t now, const std::optional<LastVisit>& before,
                        std::string error);

/// "2026-11-29T12:00:00Z"
std::string time_text(std::int64_t time);

}  // namespace keyscribe::fleet
