// SPDX-License-Identifier: Apache-2.0
// keyscribe status, reload, wait.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "controller/cli/client.h"
#include "controller/cli/commands.h"
#include "controller/cli/verifier_status.h"
#include "controller/list/json_text.h"

namespace keyscribe::cli {
namespace {

using nlohmann::json;

std::string text_of(const json& value) { return value.is_string() ? value.get<std::string>() : ""; }

/// A line for each reason, with what is observed for it: most operations have the same one.
void print_hooks(const json& hooks) {
    std::vector<std::pair<std::string, std::string>> by_reason;
    for (const json& hook : hooks) {
        const std::string why = text_of(hook["why"]);
        const std::string what =
            fmt::format("{}: {}", text_of(hook["operations"]), text_of(hook["attach_point"]));
        const auto same =
            std::ranges::find(by_reason, why, &decltype(by_reason)::value_type::first);
        if (same == by_reason.end())
            by_reason.emplace_back(why, what);
        else
            same->second += ", " + what;
    }
    for (const auto& [why, what] : by_reason)
        fmt::print("{:<12}{}\n", "hooks", printable(why + ": " + what));
}

void print_status(const json& status) {
    const auto line = [](std::string_view name, const std::string& value) {
        fmt::print("{:<12}{}\n", name, printable(value));
    };
    std::string state = status["state"];
    for (const json& missing : status["waiting_for"])
        state += (state == "waiting" ? " for " : ", ") + missing.get<std::string>();
    line("state", state);
    for (const json& why : status["degraded"]) line("", "! " + why.get<std::string>());
    line("kernel", text_of(status["kernel"]));
    print_hooks(status["hooks"]);
    line("since", text_of(status["since"]));
    const json& policy = status["policy"];
    if (policy["loaded"])
        line("policy",
             fmt::format("generation {}, {} rules, {} skipped, digest {}",
                         policy["generation"].get<unsigned>(), policy["rules"].get<unsigned>(),
                         policy["skipped"].get<unsigned>(), text_of(policy["digest"])));
    else
        line("policy", "none");
    if (!policy["error"].is_null()) line("", "! " + text_of(policy["error"]));
    const json& tpm = status["tpm"];
    if (!tpm["ready"]) line("tpm", "not ready: " + text_of(tpm["error"]));
    for (const auto& [bank, value] : tpm["values"].items())
        line(fmt::format("PCR {}", tpm["pcr"].get<unsigned>()), bank + ' ' + text_of(value));
    if (!status["list"]["error"].is_null()) line("list", "! " + text_of(status["list"]["error"]));
    line("list", fmt::format("{} entries", status["list"]["entries"].get<std::uint64_t>()));
    for (const char* name : {"spool", "journal"})
        if (!status[name]["error"].is_null()) line(name, "! " + text_of(status[name]["error"]));
    for (const char* name : {"captured", "restored", "filtered", "matched", "unmatched", "measured",
                             "waiting", "dropped", "lost", "missed", "no_room"})
        line(name, std::to_string(status["counters"][name].get<std::uint64_t>()));
}

int show_status(const settings::Config& config, bool as_json) {
    auto status = ask(config.control.socket, "GET", "/v1/status");
    const json verifier = verifier_status(config);
    if (!status) {
        if (!as_json) print_verifier(verifier);
        return report(status.error());
    }
    if (as_json) {
        (*status)["verifier"] = verifier;
        fmt::print("{}\n", list::json_text(*status, 2));
        return 0;
    }
    print_status(*status);
    print_verifier(verifier);
    return 0;
}

int reload(const settings::Config& config) {
    const auto done = ask(config.control.socket, "POST", "/v1/reload");
    if (!done) return report(done.error());
    for (const json& warning : (*done)["warnings"])
        fmt::print(stderr, "{}\n", printable_lines(text_of(warning)));
    fmt::print("policy {} in force: {} rules, {} skipped, digest {}\n",
               (*done)["generation"].get<unsigned>(), (*done)["rules"].get<unsigned>(),
               (*done)["skipped"].get<unsigned>(), text_of((*done)["digest"]));
    return 0;
}

/// "ready": policy, TPM and list are; "idle": ready, and list, PCR and counters have every
/// operation that had ended when the daemon was asked.
int wait_for(const settings::Config& config, const std::string& state, unsigned seconds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    Error why;
    for (;;) {
        const auto status = ask(config.control.socket, "GET", "/v1/status");
        if (status &&
            (state == "idle" ? status->value("idle", false) : (*status)["waiting_for"].empty()))
            return 0;
        if (!status) {
            why = status.error();
        } else {
            std::string missing;
            for (const json& one : (*status)["waiting_for"])
                missing += (missing.empty() ? "" : ", ") + one.get<std::string>();
            why = {missing.empty() ? "events are still being measured"
                                   : "still waiting for " + missing,
                   "", "keyscribe status"};
        }
        if (std::chrono::steady_clock::now() >= deadline) return report(why);
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}

}  // namespace

void add_status(CLI::App& app, Context& context) {
    CLI::App* status = app.add_subcommand("status", "What the daemon does, and what it waits for");
    const auto as_json = std::make_shared<bool>(false);
    status->add_flag("--json", *as_json, "as JSON");
    status->callback(with_config(context, [as_json](const settings::Config& config) {
        return show_status(config, *as_json);
    }));

    app.add_subcommand("reload", "Put the policy directory in force; exit 1 where it is refused")
        ->callback(with_config(context, reload));

    CLI::App* wait = app.add_subcommand("wait", "Wait until the daemon is ready, or idle");
    wait->require_subcommand(0, 1);
    wait->callback([wait] {
        if (wait->get_subcommands().empty())
            throw CLI::ValidationError("wait",
                                       "for what? keyscribe wait ready, or keyscribe wait idle");
    });
    for (const auto& [state, what] :
         {std::pair{"ready", "Policy, TPM and list are there: it can measure"},
          std::pair{"idle", "Ready, and every operation so far is in list and PCR"}}) {
        CLI::App* one = wait->add_subcommand(state, what);
        const auto seconds = std::make_shared<unsigned>(60);
        one->add_option("--timeout", *seconds, "seconds")->capture_default_str();
        one->callback(with_config(
            context, [state = std::string(state), seconds](const settings::Config& config) {
                return wait_for(config, state, *seconds);
            }));
    }
}

}  // namespace keyscribe::cli
