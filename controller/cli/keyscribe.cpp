// SPDX-License-Identifier: Apache-2.0
// The command line.
#include "controller/base/command_line.h"
#include "controller/cli/commands.h"
#include "controller/cli/program.h"

namespace {

int run(int argc, char** argv) {
    CLI::App app{"Keyscribe: makes every change to this host's keyrings provable", "keyscribe"};
    keyscribe::cli::Context context;
    app.set_version_flag("--version", "keyscribe " KEYSCRIBE_VERSION);
    app.add_option("--config", context.config_file, "the daemon's configuration")
        ->capture_default_str();
    app.require_subcommand(1);
    keyscribe::cli::add_status(app, context);
    keyscribe::cli::add_list(app, context);
    keyscribe::cli::add_keyrings(app, context);
    keyscribe::cli::add_policy(app, context);
    keyscribe::cli::add_doctor(app, context);
    keyscribe::cli::add_detach(app, context);
    keyscribe::cli::add_appraise(app, context);
    keyscribe::cli::add_report(app, context);
    keyscribe::cli::add_export(app, context);
    keyscribe::cli::add_references(app, context);
    keyscribe::cli::add_ak(app, context);
    keyscribe::cli::add_evidence(app, context);
    keyscribe::cli::add_enrol(app, context);
    keyscribe::cli::add_attest(app, context);
    keyscribe::cli::add_completion(app);
    return keyscribe::base::parse_command_line(app, argc, argv).value_or(context.exit_status);
}

}  // namespace

int main(int argc, char** argv) { return keyscribe::cli::run_program(run, argc, argv); }
