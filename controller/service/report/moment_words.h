// SPDX-License-Identifier: Apache-2.0
// One record of the list as a line of the timeline.
#pragma once

#include <optional>

#include "controller/service/report/html.h"
#include "controller/service/report/story.h"

namespace keyscribe::report {

struct MomentWords {
    Html operation;                     ///< a word or two
    Html what;                          ///< the rest of the sentence
    std::optional<std::uint64_t> time;  ///< CLOCK_BOOTTIME in ns
    bool is_change = false;             ///< of a key; else the recording speaks of itself
};

MomentWords words_of(const Moment& moment);

}  // namespace keyscribe::report
