// SPDX-License-Identifier: Apache-2.0
// The command line.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "controller/cli/commands.h"

namespace {

/// A status of its own for an output that cannot be written: nobody takes it for a verdict.
constexpr int kNotWritten = 2;

/// A file that is opened while a standard stream is closed would become that stream: a kept state
/// would get what is printed. In its place stands what fails.
void occupy_standard_streams() {
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::fcntl(stream, F_GETFD) < 0 && errno == EBADF)
            (void)!::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int not_written(int error) {
    (void)keyscribe::cli::report(
        {"cannot write the standard output: " + std::generic_category().message(error), {}, {}});
    return kNotWritten;
}

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
    keyscribe::cli::add_completion(app);
    CLI11_PARSE(app, argc, argv);
    return context.exit_status;
}

}  // namespace

int main(int argc, char** argv) {
    occupy_standard_streams();
    int status = 0;
    try {
        status = run(argc, argv);
    } catch (const std::system_error& error) {  // fmt::print's
        return not_written(error.code().value());
    }
    if (std::fflush(stdout) != 0) return not_written(errno);
    if (std::ferror(stdout) == 0) return status;
    // A command that failed has said so.
    return status == 0 ? not_written(EIO) : kNotWritten;
}
