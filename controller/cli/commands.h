// SPDX-License-Identifier: Apache-2.0
// The CLI's commands, a file each. Each adds itself to the application; what it does runs when it
// was chosen and sets the exit status.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <string>

#include "controller/base/error.h"
#include "controller/base/printable.h"
#include "controller/host/settings/config.h"

namespace keyscribe::cli {

/// What all commands share.
struct Context {
    std::filesystem::path config_file = settings::kConfigFile;
    int exit_status = 0;
};

void add_status(CLI::App& app, Context& context);  ///< status, reload, wait
void add_list(CLI::App& app, Context& context);
void add_keyrings(CLI::App& app, Context& context);
void add_policy(CLI::App& app, Context& context);
void add_doctor(CLI::App& app, Context& context);
void add_detach(CLI::App& app, Context& context);
void add_appraise(CLI::App& app, Context& context);
void add_report(CLI::App& app, Context& context);
void add_export(CLI::App& app, Context& context);
void add_references(CLI::App& app, Context& context);  ///< references from
void add_ak(CLI::App& app, Context& context);          ///< ak create, export, check, activate
void add_evidence(CLI::App& app, Context& context);    ///< evidence, evidence export
void add_enrol(CLI::App& app, Context& context);
void add_attest(CLI::App& app, Context& context);

void add_completion(CLI::App& app);  ///< the last one: it tells of those before it

/// Prints "keyscribe: error" and returns the exit status for it.
inline int report(const Error& error) {
    constexpr std::size_t kLongest = 4096;
    // A message of the policy's compiler has several lines; what stands in them is not ours.
    const std::string shown = printable_lines(to_string(error).substr(0, kLongest));
    std::fprintf(stderr, "keyscribe: %s\n", shown.c_str());
    return 1;
}

/// Runs `command` with the configuration.
template <class Command>
auto with_config(Context& context, const Command& command) {
    return [&context, command] {
        const auto config = settings::load_config(context.config_file);
        context.exit_status = config ? command(*config) : report(config.error());
    };
}

}  // namespace keyscribe::cli
