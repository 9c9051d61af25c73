// SPDX-License-Identifier: Apache-2.0
#include "controller/host/fleet/last_visit.h"

#include <time.h>

#include <array>

#include "controller/base/mapped_file.h"
#include "controller/base/output_file.h"
#include "controller/host/fleet/json_member.h"
#include "controller/list/json_text.h"

namespace keyscribe::fleet {
namespace {

using nlohmann::json;

constexpr const char* kTimeFormat = "%Y-%m-%dT%H:%M:%SZ";

json time_or_null(std::int64_t time) { return time == 0 ? json() : json(time_text(time)); }
json text_or_null(const std::string& text) { return text.empty() ? json() : json(text); }

std::int64_t time_member(const json& object, const char* name) {
    std::tm parts{};
    if (::strptime(text_member(object, name).c_str(), kTimeFormat, &parts) == nullptr) return 0;
    return ::timegm(&parts);
}

}  // namespace

std::string time_text(std::int64_t time) {
    const std::time_t seconds = time;
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    return {text.data(), std::strftime(text.data(), text.size(), kTimeFormat, &parts)};
}

json to_json(const LastVisit& visit) {
    return {{"time", time_or_null(visit.time)},
            {"answered", time_or_null(visit.answered)},
            {"verdict", text_or_null(visit.verdict)},
            {"failing_since", time_or_null(visit.failing_since)},
            {"error", text_or_null(visit.error)}};
}

Result<void> keep_last_visit(const std::filesystem::path& folder, const LastVisit& visit) {
    return write_file(folder / kLastVisitFile, as_bytes(list::json_text(to_json(visit), 2) + '\n'),
                      kEverybodyReads);
}

std::optional<LastVisit> read_last_visit(const std::filesystem::path& folder) {
    const auto file = MappedFile::open(folder / kLastVisitFile);
    if (!file) return std::nullopt;
    const json kept = json::parse(as_text(file->bytes()), nullptr, false);
    if (!kept.is_object()) return std::nullopt;
    const LastVisit visit{.time = time_member(kept, "time"),
                          .answered = time_member(kept, "answered"),
                          .verdict = text_member(kept, "verdict"),
                          .failing_since = time_member(kept, "failing_since"),
                          .error = text_member(kept, "error")};
    const bool is_whole = visit.time != 0 && visit.verdict.empty() == (visit.answered == 0) &&
                          visit.error.empty() == (visit.failing_since == 0) &&
                          (!visit.error.empty() || !visit.verdict.empty());
    return is_whole ? std::optional(visit) : std::nullopt;
}

LastVisit after_verdict(std::int64_t now, std::string verdict) {
    return {.time = now, .answered = now, .verdict = std::move(verdict)};
}

LastVisit after_failure(std::int64_t now, const std::optional<LastVisit>& before,
                        std::string error) {
    LastVisit visit = before.value_or(LastVisit());
    visit.time = now;
    if (visit.failing_since == 0) visit.failing_since = now;
    visit.error = std::move(error);
    return visit;
}

}  // namespace keyscribe::fleet
