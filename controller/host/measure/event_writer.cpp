// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/event_writer.h"

#include <algorithm>

#include "controller/base/recorded_name.h"
#include "controller/host/records/records.h"
#include "controller/list/record.h"
#include "controller/list/template_data.h"
#include "policy/matcher.h"

namespace keyscribe::measure {
namespace {

/// Returns nullptr where nothing is to be measured.
const policy::Rule* measuring_rule(const events::KeyEvent& event, const policy::Policy& policy,
                                   const events::AffectedKeyring& affected) {
    const policy::Rule* rule = policy::decide(policy, {.operation = event.operation,
                                                       .keyring = affected.judged_as,
                                                       .keyring_uid = affected.owner,
                                                       .key_type = event.key_type,
                                                       .description = event.description,
                                                       .uid = event.actor.uid,
                                                       .euid = event.actor.euid,
                                                       .gid = event.actor.gid,
                                                       .egid = event.actor.egid});
    return rule == nullptr || rule->action == policy::Action::kDontMeasure ? nullptr : rule;
}

}  // namespace

std::vector<MeasuredIn> judge_event(const events::KeyEvent& event, const policy::Policy& policy,
                                    const events::KeyTable& table) {
    std::vector<MeasuredIn> measured;
    if (event.flags & KS_EVENT_REMEMBER) return measured;
    bool is_named = false;  // the keyring that those above stand behind
    for (events::AffectedKeyring& affected : events::affected_keyrings(event, table)) {
        if (!affected.is_above)
            is_named = policy::any_rule_names(policy, affected.judged_as, affected.owner);
        else if (is_named)
            continue;
        const auto same = [&](const MeasuredIn& other) {
            return other.affected.keyring.serial == affected.keyring.serial;
        };
        if (std::ranges::any_of(measured, same)) continue;
        if (const policy::Rule* rule = measuring_rule(event, policy, affected))
            measured.push_back({std::move(affected), rule});
    }
    return measured;
}

std::vector<NamedBuf> write_event(const events::KeyEvent& event, const MeasuredIn& where,
                                  unsigned pcr, const events::KeyTable& table) {
    const auto& [affected, rule] = where;
    pcr = rule->pcr.value_or(pcr);
    // The filter may have sent a payload for a rule that did not decide after all.
    const bool asked_for = affected.brings_material && policy::wants_payload(*rule, event.key_type);
    const bool is_whole = event.payload.size() == event.payload_length && !event.payload.empty();
    const WipedBytes* payload = !asked_for ? nullptr
                                : is_whole ? &event.payload
                                           : table.material(event);
    // The plain entry's name has to be the record's, and must not be one of a record.
    const std::string& ring = affected.keyring.name;
    const bool can_be_plain = !list::record_kind(ring) && ring.size() <= kMaxRecordedName;
    const records::Proof proof{.whole_payload = payload != nullptr && can_be_plain &&
                                                rule->payload == policy::Payload::kFull,
                               .payload = payload,
                               .wanted = asked_for && event.key_type == "asymmetric"};
    std::vector<NamedBuf> entries;
    if (proof.whole_payload)
        entries.push_back(
            {pcr, list::ima_event_name(affected.keyring.name), {payload->begin(), payload->end()}});
    const records::Record record =
        records::event_record(event, policy::operation_name(event.operation), affected.keyring,
                              proof, rule->provenance == policy::Provenance::kMeasured);
    entries.push_back({pcr, record.name, {record.buf.begin(), record.buf.end()}});
    return entries;
}

}  // namespace keyscribe::measure
