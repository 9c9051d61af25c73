// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/units.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

namespace keyscribe::cli {
namespace {

/// sd_booted(3)
bool systemd_runs() {
    std::error_code ignored;
    return std::filesystem::is_directory("/run/systemd/system", ignored);
}

/// Returns the exit status; -1: it could not be run.
int systemctl(std::vector<std::string> words) {
    words.insert(words.begin(), "systemctl");
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_t pid = -1;
    if (::posix_spawnp(&pid, "systemctl", nullptr, nullptr, arguments.data(), environ) != 0)
        return -1;
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

Result<bool> enable_attest_units() {
    if (!systemd_runs()) return false;
    const std::vector<std::string> words = {"--quiet", "enable", "--now", "keyscribe-attest.timer",
                                            "keyscribe-attest.path"};
    if (systemctl(words) != 0)
        return fail("the units that visit the verifier could not be enabled", "systemctl enable",
                    "the host is enrolled; systemctl enable --now keyscribe-attest.timer "
                    "keyscribe-attest.path");
    return true;
}

void start_visit() {
    if (systemd_runs()) (void)systemctl({"start", "--no-block", "keyscribe-attest.service"});
}

}  // namespace keyscribe::cli
