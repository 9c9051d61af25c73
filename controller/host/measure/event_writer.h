// SPDX-License-Identifier: Apache-2.0
// From an event to the records that the policy wants of it. Pure.
#pragma once

#include <vector>

#include "controller/host/events/affected_keyrings.h"
#include "controller/host/events/key_event.h"
#include "controller/host/events/key_table.h"
#include "controller/host/measure/batch.h"
#include "policy/rule.h"

namespace keyscribe::measure {

/// A keyring in which an event is measured, and the rule that decided it.
struct MeasuredIn {
    events::AffectedKeyring affected;
    const policy::Rule* rule = nullptr;  ///< of the policy that was asked
};

/// Returns the keyrings of which the policy wants the event measured, each once. `table` is as it
/// was before the event.
std::vector<MeasuredIn> judge_event(const events::KeyEvent& event, const policy::Policy& policy,
                                    const events::KeyTable& table);

/// Returns the event's entries for one keyring: where the rule wants it, the payload as the
/// kernel's IMA writes it, and behind it the record. `pcr`: where the rule names none.
std::vector<NamedBuf> write_event(const events::KeyEvent& event, const MeasuredIn& where,
                                  unsigned pcr, const events::KeyTable& table);

}  // namespace keyscribe::measure
