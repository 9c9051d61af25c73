// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/program.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "controller/cli/commands.h"

namespace keyscribe::cli {
namespace {

constexpr int kNotWritten = 2;

/// A file that is opened while a standard stream is closed would become that stream: a kept state
/// would get what is printed. In its place stands what fails.
void occupy_standard_streams() {
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::fcntl(stream, F_GETFD) < 0 && errno == EBADF)
            (void)!::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int not_written(int error) {
    (void)report(
        {"cannot write the standard output: " + std::generic_category().message(error), {}, {}});
    return kNotWritten;
}

}  // namespace

int run_program(int (*run)(int, char**), int argc, char** argv) {
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

}  // namespace keyscribe::cli
