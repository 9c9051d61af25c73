// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/baseline_query.h"

#include <linux/keyctl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace keyscribe::capture {
namespace {

/// The kernel skips a program while another task is preempted inside it on this CPU. Each attempt
/// gives that task the CPU first: yields, and now and then sleeps, since a task of lower priority
/// gets nothing from a yield.
constexpr int kAttempts = 1000;
constexpr int kYields = 32;
constexpr timespec kNap{.tv_sec = 0, .tv_nsec = 1'000'000};

/// Has the kernel call the baseline program for this key. Returns false where the key may not be
/// looked at so.
bool trigger_baseline_read(std::int32_t key) {
    char label[256];
    return ::syscall(SYS_keyctl, KEYCTL_GET_SECURITY, key, label, sizeof(label)) >= 0;
}

}  // namespace

Result<void> query_baseline(ks_baseline& request, std::uint32_t mode, std::int32_t keyring,
                            const std::function<void()>& drain,
                            const std::function<void()>& release) {
    request = {.tgid = static_cast<ks_u32>(::getpid()), .serial = keyring};
    // Makes the kernel keep a keyring of users' keyrings, where the programs begin to look for
    // keys.
    (void)trigger_baseline_read(KEY_SPEC_USER_KEYRING);
    for (int skipped = 0;;) {
        request.start = request.sent;
        request.found = request.more = request.ran = 0;
        request.mode = mode;
        // Any keyring will do to have the program called, but one without a name has to be asked
        // for itself.
        const bool called = trigger_baseline_read(keyring) ||
                            trigger_baseline_read(KEY_SPEC_SESSION_KEYRING) ||
                            trigger_baseline_read(KEY_SPEC_USER_KEYRING);
        const int error = errno;
        request.mode = KS_BASELINE_OFF;
        drain();
        if (!called)
            return fail_errno("cannot have the kernel look at a keyring", "keyctl(2)", "", error);
        if (request.ran == 0) {
            // Not an answer: the keyring is not gone.
            if (++skipped == kAttempts)
                return fail("the kernel skips the program that looks at keyrings",
                            "fentry:security_key_getsecurity", "it is asked again");
            if (skipped % kYields == 0)
                ::nanosleep(&kNap, nullptr);
            else
                ::sched_yield();
            continue;
        }
        if (request.more == 0) return {};
        release();
    }
}

/// /proc/keys is the only place that lists them. A line: serial in hex, flags, uses, expiry, perm,
/// uid, gid, type, description (proc_keys_show() in security/keys/proc.c).
std::vector<std::int32_t> kernel_keyrings() {
    std::vector<std::int32_t> serials;
    std::ifstream file("/proc/keys");
    for (std::string line; std::getline(file, line);) {
        std::istringstream fields(line);
        std::string serial, skipped, type, description;
        fields >> serial;
        for (int i = 0; i < 6; ++i) fields >> skipped;
        fields >> type >> description;
        if (type == "keyring" && description.starts_with('.'))
            serials.push_back(static_cast<std::int32_t>(std::strtol(serial.c_str(), nullptr, 16)));
    }
    return serials;
}

}  // namespace keyscribe::capture
