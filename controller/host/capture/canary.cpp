// SPDX-License-Identifier: Apache-2.0
// Whether what is attached still works. Programs can be silent although every link is there: the
// sysctl kernel.ftrace_enabled turns all of them off, the LSM ones too (6.1 and 6.12), and whoever
// has CAP_BPF may write their variables.
#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "controller/host/capture/capture.h"
#include "controller/host/capture/variables.h"

namespace keyscribe::capture {
namespace {

constexpr unsigned kSilentLooks = 3;

/// Any keyring of this process's.
std::int32_t own_keyring() {
    for (const int keyring : {KEY_SPEC_SESSION_KEYRING, KEY_SPEC_USER_KEYRING})
        if (const long serial = ::syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, keyring, 1);
            serial > 0)
            return static_cast<std::int32_t>(serial);
    return 0;
}

}  // namespace

bool Capture::check_alive(Batch& meanwhile) {
    auto& variables = *static_cast<Variables*>(variables_.get());
    bool look_again = false;
    const std::uint64_t numbered = load_counter(variables.sequence);
    if (numbered < numbered_) {
        std::atomic_ref(variables.sequence).fetch_add(numbered_);
        findings_.push_back("the programs' count of events was set back by somebody else");
        look_again = true;
    }
    numbered_ = load_counter(variables.sequence);
    if (in_force_) {
        ks_filter& filter = variables.filters[in_force_->generation & 1];
        std::atomic_ref generation(variables.active_generation);
        if (std::memcmp(&filter, in_force_.get(), sizeof(filter)) != 0 ||
            generation.load() != in_force_->generation) {
            filter = *in_force_;
            generation.store(in_force_->generation);
            findings_.push_back("the programs' filter was changed by somebody else");
            look_again = true;
        }
    }
    answered_ = false;
    const std::int32_t keyring = own_keyring();
    if (keyring == 0) return look_again;
    // Where the kernel skips the program because another task was preempted in it, it is asked
    // again.
    const auto found = members(keyring, meanwhile);
    answered_ = found && !found->empty();
    unanswered_ = answered_ ? 0 : unanswered_ + 1;
    if (answered_ && silent_) {
        findings_.push_back("the kernel runs the programs again");
        look_again = true;
    }
    // A machine that is overloaded can skip one: what is silent is so for seconds.
    const bool silent = unanswered_ >= kSilentLooks;
    if (silent && !silent_)
        findings_.push_back(
            "the kernel does not run the programs (is the sysctl kernel.ftrace_enabled 0?)");
    if (answered_ || silent) silent_ = silent;
    return look_again;
}

}  // namespace keyscribe::capture
