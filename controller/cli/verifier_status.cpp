// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/verifier_status.h"

#include <fmt/format.h>

#include "controller/base/printable.h"
#include "controller/host/fleet/enrolment_file.h"
#include "controller/host/fleet/last_visit.h"

namespace keyscribe::cli {

using nlohmann::json;

json verifier_status(const settings::Config& config) {
    const auto enrolment = fleet::read_enrolment(config.verifier.directory);
    if (!enrolment) return {{"error", to_string(enrolment.error())}};
    if (!*enrolment) return nullptr;
    const auto last = fleet::read_last_visit(config.verifier.directory);
    return {{"url", (*enrolment)->verifier.url()},
            {"host", (*enrolment)->host},
            {"name", (*enrolment)->name},
            {"last_visit", last ? fleet::to_json(*last) : json()}};
}

void print_verifier(const json& verifier) {
    const auto line = [](std::string_view name, const std::string& value) {
        fmt::print("{:<12}{}\n", name, printable(value));
    };
    if (verifier.is_null()) return;
    if (verifier.contains("error"))
        return line("verifier", "! " + verifier["error"].get<std::string>());
    line("verifier", verifier["url"].get<std::string>() + ", where this host is " +
                         verifier["host"].get<std::string>());
    const json& last = verifier["last_visit"];
    if (last.is_null()) return line("", "! it was not visited yet");
    const auto text = [&last](const char* name) {
        return last[name].is_null() ? std::string("never") : last[name].get<std::string>();
    };
    if (!last["verdict"].is_null()) line("", text("verdict") + " at " + text("answered"));
    if (!last["error"].is_null())
        line("", "! no verdict since " + text("failing_since") + ", last asked " + text("time") +
                     ": " + text("error"));
}

}  // namespace keyscribe::cli
