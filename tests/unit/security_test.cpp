// SPDX-License-Identifier: Apache-2.0
#include "controller/host/daemon/security.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

namespace keyscribe {
namespace security_test {

/// Whether `check` holds in a process of its own, since nothing of this can be taken back.
template <class Check>
bool holds(Check check) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(check() ? 0 : 1);
    int status = 0;
    return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool no_capability_left() {
    std::ifstream status("/proc/self/status");
    int empty = 0;
    for (std::string line; std::getline(status, line);)
        for (const char* set : {"CapInh:", "CapPrm:", "CapEff:", "CapAmb:"})
            if (line.starts_with(set)) empty += line.ends_with("\t0000000000000000");
    return empty == 4;
}

TEST(Security, NoCoreAndNoNewPrivileges) {
    EXPECT_TRUE(holds([] {
        rlimit core{1, 1};
        return daemon::harden_process() && ::getrlimit(RLIMIT_CORE, &core) == 0 &&
               core.rlim_cur == 0 && core.rlim_max == 0 &&
               ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 &&
               ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
    }));
}

TEST(Security, NoCapabilityIsLeft) {
    EXPECT_TRUE(holds([] {
        return daemon::harden_process() && daemon::drop_capabilities() && no_capability_left();
    }));
}

/// Without no_new_privs, root gets its capabilities back with the next execve(2).
TEST(Security, NoCapabilityComesBackWithAnotherProgram) {
    EXPECT_TRUE(holds([] {
        if (!daemon::harden_process() || !daemon::drop_capabilities()) return false;
        const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
        ::dup2(null, 1);
        ::execlp("grep", "grep", "-q", "^CapEff:.0000000000000000$", "/proc/self/status", nullptr);
        return false;
    }));
}

}  // namespace security_test
}  // namespace keyscribe
