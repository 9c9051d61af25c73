// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/doctor_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "controller/base/printable.h"
#include "controller/list/json_text.h"

namespace keyscribe::cli {
namespace {

constexpr std::string_view kBad = "fail";

}  // namespace

void DoctorReport::bad(std::string_view what, const Error& error) {
    add(kBad, what, error.where.empty() ? error.what : error.where + ": " + error.what, error.hint);
}

int DoctorReport::print(bool as_json) const {
    const bool good = std::ranges::find(lines_, kBad, &Line::level) == lines_.end();
    if (as_json) {
        nlohmann::ordered_json checks = nlohmann::ordered_json::array();
        for (const Line& line : lines_) {
            auto& one = checks.emplace_back(nlohmann::ordered_json{
                {"level", line.level}, {"what", line.what}, {"text", line.text}});
            if (!line.remedy.empty()) one["remedy"] = line.remedy;
        }
        fmt::print("{}\n",
                   list::json_text(nlohmann::ordered_json{{"ok", good}, {"checks", checks}}, 2));
        return good ? 0 : 1;
    }
    for (const Line& line : lines_) {
        fmt::print("{:<6}{:<12}{}\n", line.level == kBad ? "FAIL" : line.level, line.what,
                   printable(line.text));
        if (!line.remedy.empty()) fmt::print("      {:<12}-> {}\n", "", printable(line.remedy));
    }
    return good ? 0 : 1;
}

}  // namespace keyscribe::cli
