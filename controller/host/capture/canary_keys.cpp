// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/canary_keys.h"

#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <span>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>

namespace keyscribe::capture {
namespace {

constexpr long kOwner = 0x3f000000;  // who possesses the key may do all with it
constexpr auto kGivenUp = std::chrono::milliseconds(1500);
constexpr long kNever = 0;  // as a timeout

/// The process's start as /proc/PID/stat has it, in 1/100 s since the boot: the 22nd field.
std::uint64_t start_of_process() {
    std::ifstream file("/proc/self/stat");
    std::string line;
    std::getline(file, line);
    // The second field is the name, in parentheses, and may have any byte.
    std::istringstream fields(line.substr(line.rfind(')') + 1));
    std::string skipped;
    for (int field = 3; field < 22; ++field) fields >> skipped;
    std::uint64_t start = 0;
    fields >> start;
    return start;
}

long control(int what, long first, long second = 0, long third = 0, long fourth = 0) {
    return ::syscall(SYS_keyctl, what, first, second, third, fourth);
}

std::int32_t keyring_of(int which) {
    return static_cast<std::int32_t>(
        std::max(0L, control(KEYCTL_GET_KEYRING_ID, which, 1)));  // it is made
}

/// The keyring of the thread that calls this; 0: none was made. It goes with the thread, and is
/// then waited for in `awaited`.
std::int32_t make_own(ks_s32& awaited, CanaryRound& round) {
    const std::int32_t own = keyring_of(KEY_SPEC_THREAD_KEYRING);
    round.note(KS_OP_INSTANTIATE, own != 0);
    awaited = own;
    if (own != 0) round.dropped.push_back(own);
    return own;
}

/// In a thread of its own.
void operate(std::int32_t keyring, std::int32_t key, ks_s32& awaited, CanaryRound& round) {
    const std::int32_t own = make_own(awaited, round);
    if (own == 0) return;
    if (key > 0) {
        round.note(KS_OP_UPDATE, control(KEYCTL_UPDATE, key, reinterpret_cast<long>("1"), 1) == 0);
        round.note(KS_OP_SETPERM, control(KEYCTL_SETPERM, key, kOwner) == 0);
        round.note(KS_OP_CHOWN, control(KEYCTL_CHOWN, key, -1, -1) == 0);
        round.note(KS_OP_TIMEOUT, control(KEYCTL_SET_TIMEOUT, key, kNever) == 0);
        round.note(KS_OP_LINK, control(KEYCTL_LINK, key, own) == 0);
        round.note(KS_OP_MOVE, control(KEYCTL_MOVE, key, own, keyring, 0) == 0);
        if (control(KEYCTL_LINK, key, own) == 0)
            round.note(KS_OP_UNLINK, control(KEYCTL_UNLINK, key, own) == 0);
    }
    round.note(KS_OP_CLEAR, control(KEYCTL_CLEAR, own) == 0);
    round.note(KS_OP_RESTRICT, control(KEYCTL_RESTRICT_KEYRING, own, 0, 0) == 0);
    round.note(KS_OP_REVOKE, control(KEYCTL_REVOKE, own) == 0);
}

}  // namespace

void CanaryRound::note(ks_operation operation, bool done) {
    if (done) asked |= 1U << operation;
}

/// Where keys are waited for that are not yet; keys of the rounds before may be, for some time.
/// Nothing: there is no place, since somebody asks without a pause.
ks_s32* CanaryKeys::free_places(ks_canary& canary) {
    const auto now = Clock::now();
    ks_s32* found = nullptr;
    for (std::size_t i = 0; i < filled_.size(); ++i) {
        ks_s32* const places = &canary.keys[2 + 2 * i];
        if (now - filled_[i] >= kGivenUp) places[0] = places[1] = 0;
        if (found != nullptr || places[0] != 0 || places[1] != 0) continue;
        filled_[i] = now;
        found = places;
    }
    return found;
}

CanaryRound CanaryKeys::ask(ks_canary& canary) {
    static const std::uint64_t start = start_of_process();
    CanaryRound round;
    // Those of a former process are still to be destroyed.
    if (keyring_ == 0 && (canary.keys[0] != 0 || canary.keys[1] != 0) &&
        Clock::now() - begun_ < kGivenUp)
        return round;
    const std::atomic_ref asks(canary.tgid), answered(canary.answered);
    canary.start = start;
    answered.store(0);
    asks.store(static_cast<ks_u32>(::getpid()));
    if (keyring_ == 0) canary.keys[0] = keyring_ = keyring_of(KEY_SPEC_PROCESS_KEYRING);
    // Made once: to write as much into it again takes nothing of root's quota, which can be used
    // up.
    const auto key = static_cast<std::int32_t>(
        ::syscall(SYS_add_key, "user", "keyscribed asks", "1", 1UL, keyring_));
    round.note(KS_OP_CREATE, key > 0);
    if (key > 0) canary.keys[1] = key;
    ks_s32* const awaited = free_places(canary);
    if (awaited != nullptr) try {
            std::thread([&] { operate(keyring_, key, awaited[0], round); }).join();
            round.asked |= 1U << KS_CANARY_FORK;
            std::thread([&] {
                if (const std::int32_t own = make_own(awaited[1], round); own != 0)
                    round.note(KS_OP_INVALIDATE, control(KEYCTL_INVALIDATE, own) == 0);
            }).join();
        } catch (const std::system_error&) {
            // No thread can be made: less is asked.
        }
    asks.store(0);
    round.answered = answered.load() & round.asked;
    return round;
}

/// A line of /proc/keys begins with the serial in hex (proc_keys_show() in security/keys/proc.c).
bool is_key_listed(std::int32_t serial) {
    std::ifstream file("/proc/keys");
    for (std::string line; std::getline(file, line);)
        if (std::strtol(line.c_str(), nullptr, 16) == serial) return true;
    return false;
}

}  // namespace keyscribe::capture
