// SPDX-License-Identifier: Apache-2.0
// From a baseline to its records. Pure.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "controller/host/events/baseline.h"
#include "controller/host/events/key_table.h"
#include "controller/host/records/records.h"
#include "policy/rule.h"

namespace keyscribe::measure {

/// Returns of the baseline those keyrings in which a place in doubt holds another key than the
/// table says: of the others the list is right.
events::Baseline contradicted_part(const events::Baseline& baseline,
                                   const std::vector<events::PlaceInDoubt>& doubts,
                                   const events::KeyTable& table);

/// Hands the records out, one after the other. `policy`: the one in force, which names some of the
/// keyrings. `difference`, after a restart: to what the list said.
void write_baseline(const events::Baseline& baseline, const policy::Policy& policy,
                    std::string_view reason, const std::optional<events::Difference>& difference,
                    const std::function<void(const records::Record&)>& add);

}  // namespace keyscribe::measure
