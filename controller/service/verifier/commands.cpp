// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/commands.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>

#include "controller/base/command_line.h"
#include "controller/base/log.h"
#include "controller/base/printable.h"
#include "controller/list/json_text.h"

namespace keyscribe::verifier {

int report_error(const Error& error) {
    const std::string shown = printable_lines(to_string(error).substr(0, 4096));
    std::fprintf(stderr, "keyscribe-verifier: %s\n", shown.c_str());
    return 1;
}

std::function<void()> with_service(CommandContext& context,
                                   const std::function<Result<int>(Service&)>& command) {
    return [&context, command] {
        ::setenv("TSS2_LOG", "all+none", 0);
        base::init_log("error", "keyscribe-verifier");
        const auto settings = load_settings(context.settings_file);
        if (!settings) {
            context.exit_status = report_error(settings.error());
            return;
        }
        const auto service = Service::open(*settings);
        if (!service) {
            context.exit_status = report_error(service.error());
            return;
        }
        const auto status = command(**service);
        context.exit_status = status ? *status : report_error(status.error());
    };
}

// Names and reasons are others' words, which a terminal must not act upon.
void print_all(const CommandContext& context, const nlohmann::json& array,
               const std::function<std::string(const nlohmann::json&)>& line) {
    for (const nlohmann::json& one : array)
        fmt::print("{}\n", context.json ? list::json_text(one) : base::printable_lines(line(one)));
}

Result<std::int64_t> parse_time(const std::string& text) {
    for (const char* format : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"}) {
        std::tm parts{};
        const char* end = ::strptime(text.c_str(), format, &parts);
        if (end == nullptr || *end != '\0') continue;
        const std::tm said = parts;
        const std::int64_t time = ::timegm(&parts);
        // 31 February becomes 3 March.
        if (said.tm_mday == parts.tm_mday && said.tm_min == parts.tm_min && time >= 0)
            return std::min(time, kNever);
    }
    return fail("\"" + text + "\" is no time", {}, "2026-12-01, or 2026-12-01T08:00:00Z");
}

std::string user_name() {
    const passwd* user = ::getpwuid(::getuid());
    return user != nullptr ? user->pw_name : std::to_string(::getuid());
}

int run_verifier(int argc, char** argv, const MoreRoutes& more) {
    CLI::App app(
        "Keyscribe's verifier: who trusts which keys, in a fleet. Without a command it serves.",
        "keyscribe-verifier");
    CommandContext context;
    app.set_version_flag("--version", "keyscribe-verifier " KEYSCRIBE_VERSION);
    app.add_option("--config", context.settings_file, "settings")->capture_default_str();
    app.add_flag("--json", context.json, "what a command prints as JSON, an object a line");
    app.require_subcommand(0, 1);
    app.fallthrough();
    const CLI::App* serving =
        app.add_subcommand("serve", "The service itself, which is the default");
    add_host_commands(app, context);
    add_key_commands(app, context);
    add_enrolment_commands(app, context);
    add_reference_commands(app, context);
    add_status_command(app, context);
    if (const auto status = base::parse_command_line(app, argc, argv)) return *status;
    if (!app.get_subcommands().empty() && !serving->parsed()) return context.exit_status;
    const auto settings = load_settings(context.settings_file);
    if (!settings) {
        (void)report_error(settings.error());
        return 78;  // EX_CONFIG
    }
    base::init_log(settings->log.level, "keyscribe-verifier");
    return serve(*settings, more);
}

}  // namespace keyscribe::verifier
