// SPDX-License-Identifier: Apache-2.0
// Whether what is attached still works. Programs can be silent although every link is there: the
// sysctl kernel.ftrace_enabled turns all of them off, the LSM ones too (6.1 and 6.12), and whoever
// has CAP_BPF may write their variables. bpf/README.md lists what is known to do so.
#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <iterator>
#include <optional>
#include <set>

#include "controller/host/capture/canary_keys.h"
#include "controller/host/capture/capture.h"
#include "controller/host/capture/programs.h"
#include "controller/host/capture/silence_watch.h"
#include "controller/host/capture/variables.h"

namespace keyscribe::capture {
namespace {

/// A machine that is overloaded can skip one: what is silent is so for seconds.
constexpr unsigned kSilentLooks = 3;
/// Where none answers, it is not by chance.
constexpr unsigned kAllSilentLooks = 2;
/// The kernel takes a key out of its table and then calls what a program sees, in one go.
constexpr auto kUnseenEnd = std::chrono::milliseconds(800);

/// Any keyring of this process's.
std::int32_t own_keyring() {
    for (const int keyring : {KEY_SPEC_SESSION_KEYRING, KEY_SPEC_USER_KEYRING})
        if (const long serial = ::syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, keyring, 1);
            serial > 0)
            return static_cast<std::int32_t>(serial);
    return 0;
}

struct AskedProgram {
    unsigned bit;  // of AskedPrograms
    std::string_view program;
};

/// The name of the first goes on with where the kernel calls it.
constexpr std::array kAskedPrograms = {
    AskedProgram{KS_OP_CREATE, "create_or_update"},
    AskedProgram{KS_OP_UPDATE, "update"},
    AskedProgram{KS_OP_INSTANTIATE, "instantiate"},
    AskedProgram{KS_OP_LINK, "link"},
    AskedProgram{KS_OP_UNLINK, "unlink"},
    AskedProgram{KS_OP_MOVE, "move"},
    AskedProgram{KS_OP_CLEAR, "clear"},
    AskedProgram{KS_OP_RESTRICT, "restrict_links"},
    AskedProgram{KS_OP_REVOKE, "revoke"},
    AskedProgram{KS_OP_INVALIDATE, "invalidate"},
    AskedProgram{KS_OP_TIMEOUT, "timeout"},
    AskedProgram{KS_OP_SETPERM, "setperm"},
    AskedProgram{KS_OP_CHOWN, "chown"},
    AskedProgram{KS_CANARY_FORK, "exe_inherited"},
};
constexpr std::string_view kReader = "stand";
constexpr std::string_view kDestroyed = "destroy";

/// Puts a counter back that somebody has set back.
bool restore(__u64& counter, std::uint64_t& known) {
    const std::uint64_t now = load_counter(counter);
    const bool set_back = now < known;
    if (set_back) std::atomic_ref(counter).fetch_add(known);
    known = load_counter(counter);
    return set_back;
}

/// Puts a variable back that the programs set once.
template <typename T>
bool restore_constant(T& variable, std::uint64_t& known) {
    const std::atomic_ref<T> now(variable);
    const bool changed = known != 0 && std::uint64_t(now.load()) != known;
    if (changed) now.store(T(known));
    known = std::uint64_t(now.load());
    return changed;
}

}  // namespace

struct Capture::Canary {
    CanaryKeys keys;
    SilenceWatch watch;
    std::vector<std::int32_t> dropped;  // by the last round
    /// Keys that no program saw destroyed, since when the kernel has them no more.
    std::map<std::int32_t, std::chrono::steady_clock::time_point> gone_since;
    std::map<std::string, std::uint64_t> skipped;  // runs, by program
    std::set<std::string> told_links;              // wrong ones
    std::uint64_t numbered = 0;                    // sequence numbers given out by then
    std::array<std::uint64_t, KS_COUNTERS> counted{};
    std::uint64_t asymmetric_type = 0, key_that_stays = 0;
    std::set<std::int32_t> ours;       // keys that the programs wait for
    bool looked = false;               // at what a former process may have left
    bool marked = false;               // the watched bit of our keyring is set
    unsigned patience = kSilentLooks;  // of the last round
    bool alive = false;                // all that were asked answered
};

std::unique_ptr<Capture::Canary, Capture::FreeCanary> Capture::make_canary() {
    return std::unique_ptr<Canary, FreeCanary>(new Canary);
}

void Capture::FreeCanary::operator()(Canary* canary) const { delete canary; }

/// Operations of the process that asks are not recorded, nor is the end of the keys that are waited
/// for: whoever puts others there hides what these do. Between two rounds nobody asks.
bool Capture::is_canary_changed() {
    ks_canary& asked = static_cast<Variables*>(variables_.get())->canary;
    Canary& canary = *canary_;
    bool changed = std::atomic_ref(asked.tgid).exchange(0) != 0;
    for (ks_s32& place : asked.keys) {
        const std::atomic_ref key(place);
        const ks_s32 serial = key.load();
        if (serial == 0 || canary.ours.contains(serial)) continue;
        if (!canary.looked) {
            canary.ours.insert(serial);
            continue;
        }
        key.store(0);
        changed = true;
    }
    return std::exchange(canary.looked, true) && changed;
}

/// Returns whether there was something to put back: what keyrings hold has to be asked for anew.
bool Capture::restore_variables() {
    auto& variables = *static_cast<Variables*>(variables_.get());
    Canary& canary = *canary_;
    const std::size_t before = findings_.size();
    bool set_back = restore(variables.sequence, canary.numbered);
    for (std::size_t i = 0; i < canary.counted.size(); ++i)
        set_back |= restore(variables.counters[i], canary.counted[i]);
    if (set_back)
        findings_.push_back("the programs' count of events was set back by somebody else");
    if (in_force_) {
        ks_filter& filter = variables.filters[in_force_->generation & 1];
        std::atomic_ref generation(variables.active_generation);
        if (std::memcmp(&filter, in_force_.get(), sizeof(filter)) != 0 ||
            generation.load() != in_force_->generation) {
            filter = *in_force_;
            generation.store(in_force_->generation);
            findings_.push_back("the programs' filter was changed by somebody else");
        }
    }
    if (restore_constant(variables.asymmetric_type, canary.asymmetric_type) |
        restore_constant(variables.key_that_stays, canary.key_that_stays))
        findings_.push_back("the programs' variables were changed by somebody else");
    if (is_canary_changed())
        findings_.push_back("the programs' canary was changed by somebody else");
    // One of the marks is ours. They only grow: the keyrings that are read anew are marked anew.
    if (const std::int32_t keyring = canary.keys.keyring(); keyring != 0) {
        const auto bit = static_cast<std::uint32_t>(keyring) & ((1U << KS_WATCHED_BITS) - 1);
        const std::uint64_t mark = std::uint64_t{1} << (bit % 64);
        if ((std::atomic_ref(variables.watched[bit / 64]).fetch_or(mark) & mark) == 0 &&
            std::exchange(canary.marked, true))
            findings_.push_back("the programs' marks of keys were removed by somebody else");
    }
    return findings_.size() != before;
}

/// Whether a program saw the end of the keys that the last round left to the garbage collector.
/// That may take its time; but where a key has been gone for a second, its program has run, or
/// never will.
std::optional<Answer> Capture::destroyed_keys() {
    const auto& keys = static_cast<Variables*>(variables_.get())->canary.keys;
    Canary& canary = *canary_;
    const auto now = std::chrono::steady_clock::now();
    const auto is_unseen = [&keys](std::int32_t key) {
        return std::ranges::find(keys, key) != std::end(keys);
    };
    std::erase_if(canary.gone_since, [&](const auto& key) { return !is_unseen(key.first); });
    bool waits = false;
    for (const std::int32_t key : canary.dropped) {
        if (!is_unseen(key)) continue;
        waits = true;
        if (!is_key_listed(key)) canary.gone_since.emplace(key, now);
    }
    if (std::ranges::any_of(canary.gone_since,
                            [&](const auto& key) { return now - key.second >= kUnseenEnd; }))
        return Answer{.given = false};
    if (waits || canary.dropped.empty()) return std::nullopt;
    return Answer{.given = true};
}

std::map<std::string, Answer> Capture::ask_programs() {
    Canary& canary = *canary_;
    std::map<std::string, Answer> answers;
    if (const auto destroyed = destroyed_keys()) answers.emplace(kDestroyed, *destroyed);
    ks_canary& asked_keys = static_cast<Variables*>(variables_.get())->canary;
    const CanaryRound round = canary.keys.ask(asked_keys);
    canary.ours.clear();
    for (ks_s32& key : asked_keys.keys) canary.ours.insert(std::atomic_ref(key).load());
    canary.dropped = round.dropped;
    canary.patience = round.answered == 0 ? kAllSilentLooks : kSilentLooks;
    canary.alive = round.asked != 0 && round.asked == round.answered;
    for (const auto& [program, fd] : set_.programs) {
        const auto asked = std::ranges::find_if(kAskedPrograms, [&](const AskedProgram& one) {
            return one.bit == KS_OP_CREATE ? program.starts_with(one.program)
                                           : program == one.program;
        });
        if (asked == kAskedPrograms.end() || (round.asked >> asked->bit & 1) == 0) continue;
        const bool given = (round.answered >> asked->bit & 1) != 0;
        const std::uint64_t skipped = skipped_runs(fd.get());
        // One that the kernel skipped and counted is told as such.
        if (std::exchange(canary.skipped[program], skipped) == skipped || given)
            answers[program] = {.given = given, .patience = canary.patience};
    }
    return answers;
}

std::string Capture::operations_of(const std::vector<std::string>& programs) const {
    std::string all;
    for (const std::string& program : programs) {
        const auto known = operations_of_.find(program);
        all +=
            (all.empty() ? "" : "; ") + (known == operations_of_.end() ? program : known->second);
    }
    return all;
}

bool Capture::check_alive(Batch& meanwhile) {
    Canary& canary = *canary_;
    bool look_again = restore_variables();
    for (const std::string& name : wrong_links(set_))
        if (canary.told_links.insert(name).second)
            findings_.push_back("the link of a program is not what it was: " + name);
    canary.alive = false;
    auto answers = ask_programs();
    if (const std::int32_t keyring = own_keyring(); keyring != 0) {
        // Where the kernel skips the program because another task was preempted in it, it is asked
        // again.
        const auto found = members(keyring, meanwhile);
        const bool given = found && !found->empty();
        answers[std::string(kReader)] = {.given = given, .patience = canary.patience};
        canary.alive &= given;
    } else {
        canary.alive = false;
    }
    const auto change = canary.watch.look(answers);
    if (!change.silent.empty())
        findings_.push_back(change.all ? "the kernel does not run the programs (is the sysctl "
                                         "kernel.ftrace_enabled 0?)"
                                       : "the kernel does not run the programs of: " +
                                             operations_of(change.silent));
    if (!change.again.empty()) {
        findings_.push_back("the kernel runs the programs again: " + operations_of(change.again));
        look_again = true;
    }
    return look_again;
}

bool Capture::is_alive() const { return canary_->alive && !canary_->watch.is_any_silent(); }

bool Capture::has_doubts() const {
    if (canary_->watch.has_doubts()) return true;
    const auto& keys = static_cast<Variables*>(variables_.get())->canary.keys;
    return std::ranges::any_of(canary_->dropped, [&keys](std::int32_t key) {
        return std::ranges::find(keys, key) != std::end(keys);
    });
}

}  // namespace keyscribe::capture
