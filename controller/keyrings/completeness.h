// SPDX-License-Identifier: Apache-2.0
// Whether a measurement list says what the watched keyrings hold: after each start, restart and
// policy, and where events do not come to the list (loss, missed, drop), the daemon tells it in a
// baseline (list/RECORDS.md). The host waits for that before it
// sends evidence, and a service affirms nobody without it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "controller/list/policy_parts.h"
#include "controller/list/unfold.h"

namespace keyscribe::keyrings {

class Completeness {
  public:
    /// `sentence` says what a baseline lacks; `entry` of the list shows it.
    using Tell = std::function<void(std::string sentence, std::uint64_t entry)>;

    explicit Completeness(Tell tell = {}) : tell_(std::move(tell)) {}

    /// The next record of the list. What is not about baselines costs a comparison of names.
    void record(const list::LogicalRecord& record);

    /// Whether the baseline that is due was told, whole.
    bool whole() const { return !due_ && !open_; }
    /// After the last record: tells what is still due.
    void finish();

  private:
    struct Due {
        std::string since;  ///< the kind of the record that made it due: "start", "loss", ...
        std::uint64_t entry = 0;
    };
    struct Open {
        std::uint64_t entry = 0, keyrings = 0, keys = 0;
        bool all = false;  ///< of all watched keyrings, not of some that changed
    };
    void begin(const list::LogicalRecord& record);
    void end(const list::LogicalRecord& record);
    void tell(std::string sentence, std::uint64_t entry) const {
        if (tell_) tell_(std::move(sentence), entry);
    }

    Tell tell_;
    std::optional<Due> due_;
    bool watches_ = false;  // the policy in force has rules
    list::PolicyParts parts_;
    std::optional<Open> open_;
};

}  // namespace keyscribe::keyrings
