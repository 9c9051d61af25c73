// SPDX-License-Identifier: Apache-2.0
// keyscribe-attach [--config FILE]: attaches the programs and leaves them in the BPF file system
// for keyscribed, which adopts them. It is what an initramfs has of Keyscribe, so it links libbpf
// and nothing else that is large.
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "controller/host/capture/lockdown.h"
#include "controller/host/capture/programs.h"
#include "controller/host/daemon/run_directory.h"
#include "controller/host/settings/config.h"

namespace keyscribe::initramfs {
namespace {

void warn(const std::vector<std::string>& warnings) {
    for (const std::string& warning : warnings)
        std::fprintf(stderr, "warning: %s\n", warning.c_str());
}

Result<void> attach(const std::filesystem::path& file) {
    const auto config = settings::load_config(file);
    if (!config) return std::unexpected(config.error());
    if (auto level = capture::check_lockdown(); !level) return std::unexpected(level.error());
    const auto kernel = capture::probe_kernel();
    if (!kernel) return std::unexpected(kernel.error());
    const auto plan = capture::plan_hooks(*kernel, config->capture.hook);
    if (!plan) return std::unexpected(plan.error());
    const auto locked = daemon::RunDirectory::open(config->list.directory);
    if (!locked) return std::unexpected(locked.error());

    const auto directory = capture::pin_directory_of(*plan, config->capture.ring_size);
    std::vector<std::string> warnings;
    if (capture::adopt_programs(directory, *plan, warnings)) return {};
    // Its numbers would have to go on where those end: the daemon knows how.
    if (!capture::pinned_sets().empty())
        return fail("programs of another build are attached", capture::kPinDirectory,
                    "keyscribed replaces them: systemctl start keyscribed");
    auto set =
        capture::load_programs(*plan, *kernel->types, config->capture.ring_size, 0, {}, warnings);
    warn(warnings);
    if (!set) return std::unexpected(set.error());
    set->directory = directory;
    return capture::pin(*set);
}

}  // namespace
}  // namespace keyscribe::initramfs

int main(int argc, char** argv) {
    std::filesystem::path file = keyscribe::settings::kConfigFile;
    if (argc == 3 && std::string_view(argv[1]) == "--config") {
        file = argv[2];
    } else if (argc != 1) {
        std::fputs("usage: keyscribe-attach [--config FILE]\n", stderr);
        return 2;
    }
    ::umask(0077);
    const auto done = keyscribe::initramfs::attach(file);
    if (done) return EXIT_SUCCESS;
    std::fprintf(stderr, "error: %s\n", to_string(done.error()).c_str());
    return EXIT_FAILURE;
}
