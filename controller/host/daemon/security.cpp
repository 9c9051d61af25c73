// SPDX-License-Identifier: Apache-2.0
#include "controller/host/daemon/security.h"

#include <cap-ng.h>
#include <sys/prctl.h>
#include <sys/resource.h>

namespace keyscribe::daemon {

Result<void> harden_process() {
    const rlimit none{0, 0};
    if (::setrlimit(RLIMIT_CORE, &none) != 0)
        return fail_errno("cannot forbid core dumps", "setrlimit(2)");
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return fail_errno("cannot forbid core dumps", "prctl(PR_SET_DUMPABLE)");
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fail_errno("cannot forbid new privileges", "prctl(PR_SET_NO_NEW_PRIVS)");
    return {};
}

Result<void> drop_capabilities() {
    // The bounding set can only be cut with CAP_SETPCAP, which the service has not; with no
    // capability left and no new privileges to come, nothing can be won back anyway.
    capng_clear(CAPNG_SELECT_CAPS);
    if (const int code = capng_apply(CAPNG_SELECT_CAPS); code != 0)
        return fail("cannot drop the capabilities (libcap-ng " + std::to_string(code) + ")",
                    "capset(2)");
    return {};
}

}  // namespace keyscribe::daemon
