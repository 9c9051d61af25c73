// SPDX-License-Identifier: Apache-2.0
// The commands of keyscribe that need nothing of a measured host, for where the rest is not
// installed.
#include "controller/base/command_line.h"
#include "controller/cli/commands.h"
#include "controller/cli/program.h"

namespace {

int run(int argc, char** argv) {
    CLI::App app{"Appraises what hosts attest of their keyrings", "keyscribe-tools"};
    keyscribe::cli::Context context;
    app.set_version_flag("--version", "keyscribe-tools " KEYSCRIBE_VERSION);
    app.require_subcommand(1);
    keyscribe::cli::add_appraise(app, context);
    keyscribe::cli::add_report(app, context);
    keyscribe::cli::add_export(app, context);
    keyscribe::cli::add_references(app, context);
    return keyscribe::base::parse_command_line(app, argc, argv).value_or(context.exit_status);
}

}  // namespace

int main(int argc, char** argv) { return keyscribe::cli::run_program(run, argc, argv); }
