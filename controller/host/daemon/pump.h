// SPDX-License-Identifier: Apache-2.0
// Carries events from the programs to the spool, and new policies the other way. Lives on the main
// thread; only request_reload() is called from others.
#pragma once

#include <future>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "controller/base/unique_fd.h"
#include "controller/host/capture/capture.h"
#include "controller/host/events/cgroup_path.h"
#include "controller/host/settings/config.h"
#include "controller/host/spool/spool.h"
#include "controller/host/status/status.h"

namespace keyscribe::daemon {

/// What a reload came to.
struct Reloaded {
    std::uint32_t generation = 0;
    std::string digest;
    std::size_t rules = 0;
    std::size_t skipped = 0;
    std::vector<std::string> warnings;
};

/// What a look at the ring found: nothing, all that there was, or some of it.
enum class Drained { kNothing, kAll, kSome };

class Pump {
  public:
    Pump(capture::Capture programs, const settings::Config& config, spool::Spool& spool,
         status::SharedStatus& status);

    int ring_fd() const { return programs_.ring_fd(); }
    /// Readable when somebody asked for a reload.
    int reload_fd() const { return wake_.get(); }

    Result<Drained> drain();

    /// Judges everything in the policy directory as a whole and puts it in force, or changes
    /// nothing. Every event is judged by exactly one policy: the one in force when it happened,
    /// and those from before the first policy by the first.
    Result<Reloaded> reload();

    /// From any thread: has the main thread reload, and waits for the outcome.
    Result<Reloaded> request_reload();
    void reload_on_request();
    /// The main thread ends: whoever waits for a reload is told so, now and later.
    void refuse_requests();

    /// Where no policy could be loaded: programs of another build go all the same.
    Result<void> retire_former();

    /// The programs go with this process.
    Result<void> detach() { return programs_.detach(); }

    /// Once a second.
    void look_at_counters();

    /// A program runs when its operation is done and the keyring is unlocked again. Where two tasks
    /// change one keyring within that moment, the order of their records need not be that in which
    /// the kernel did it: once all is quiet, the list is told what such keyrings hold.
    Result<void> settle_order();

    /// From any thread: the programs' counters as they are now.
    capture::KernelCounters counters() const { return programs_.counters(); }

  private:
    void forward(capture::Batch batch);
    void record(std::string what);
    void look_at_policy_directory();
    void note_order(const events::KeyEvent& event);
    Result<bool> look_at(const events::KeyringName& keyring, events::Baseline& baseline,
                         capture::Batch& meanwhile);
    Result<events::Baseline> take_baseline(const policy::Policy& policy, capture::Batch& meanwhile);
    Result<Reloaded> load_and_activate();

    capture::Capture programs_;
    const settings::Config& config_;
    spool::Spool& spool_;
    status::SharedStatus& status_;
    std::uint32_t generation_ = 0;
    std::uint64_t missed_ = 0;
    events::CgroupPaths cgroups_;
    struct LastChange {
        std::uint64_t boot_time_ns = 0;
        std::uint32_t tid = 0;
    };
    std::unordered_map<std::int32_t, LastChange> last_changes_;  // of keyrings, lately
    std::map<std::int32_t, std::string> disordered_;             // keyrings to be looked at
    bool lost_some_ = false;  // since the watched keyrings were looked at
    std::uint64_t last_event_ns_ = 0;
    std::shared_ptr<const settings::LoadedPolicy> policy_;
    unsigned without_files_ = 0;  // how often in a row the policy directory had none
    UniqueFd wake_;
    std::mutex mutex_;
    std::vector<std::promise<Result<Reloaded>>> requests_;
    bool refusing_ = false;
};

}  // namespace keyscribe::daemon
