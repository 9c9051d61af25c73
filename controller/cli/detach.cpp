// SPDX-License-Identifier: Apache-2.0
// keyscribe detach.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include "controller/base/unique_fd.h"
#include "controller/cli/commands.h"
#include "controller/host/capture/pins.h"

namespace keyscribe::cli {
namespace {

int detach(const settings::Config& config) {
    const auto lock = config.list.directory / "lock";
    const UniqueFd fd(::open(lock.c_str(), O_RDWR | O_CLOEXEC));
    if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
        return report(
            fail("keyscribed is running", lock.string(), "stop it first: systemctl stop keyscribed")
                .error());
    const auto sets = capture::pinned_sets();
    for (const auto& directory : sets)
        if (auto done = capture::unpin(directory); !done) return report(done.error());
    fmt::print("{} sets of programs detached\n", sets.size());
    return 0;
}

}  // namespace

void add_detach(CLI::App& app, Context& context) {
    app.add_subcommand("detach",
                       "Take the programs that a stopped keyscribed left out of the kernel")
        ->callback(
            with_config(context, [](const settings::Config& config) { return detach(config); }));
}

}  // namespace keyscribe::cli
