// SPDX-License-Identifier: Apache-2.0
// Remembers keyrings that were destroyed without a record, since no rule measures that operation.
// Without a word of it the list would show them for ever, so the next baseline names them; at the
// latest one for them alone, which the recorder writes when it has nothing else to do, or when many
// have gathered.
#pragma once

#include <cstdint>
#include <vector>

#include "controller/base/boot_time.h"
#include "controller/host/events/baseline.h"
#include "controller/host/events/key_event.h"
#include "controller/host/events/key_table.h"

namespace keyscribe::measure {

class UntoldEnds {
  public:
    /// To be called before `table` takes the event. `measured`: the event gets a record.
    void note(const events::KeyEvent& event, bool measured, const events::KeyTable& table) {
        if (event.operation == KS_OP_DESTROY && !measured &&
            table.keyring_name(event.key_serial) != nullptr)
            gone_.push_back(event.key_serial);
    }
    bool is_empty() const { return gone_.empty(); }
    bool are_many() const { return gone_.size() >= kMany; }

    /// Returns the baseline with the remembered keyrings added to Baseline::gone, and forgets them.
    events::Baseline told_with(events::Baseline baseline) {
        baseline.gone.insert(baseline.gone.end(), gone_.begin(), gone_.end());
        gone_.clear();
        return baseline;
    }
    static events::Baseline of_its_own() {
        return {.reason = "gone", .boot_time_ns = boot_time_ns(), .keyrings = {}, .keys = {}};
    }

  private:
    static constexpr std::size_t kMany = 1024;  // some 5 KiB of the list
    std::vector<std::int32_t> gone_;
};

}  // namespace keyscribe::measure
