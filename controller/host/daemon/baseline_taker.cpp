// SPDX-License-Identifier: Apache-2.0
#include "controller/host/daemon/baseline_taker.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <iterator>
#include <set>

#include "controller/base/boot_time.h"

namespace keyscribe::daemon {
namespace {

events::Baseline empty_baseline(std::string_view reason) {
    return {
        .reason = std::string(reason), .boot_time_ns = boot_time_ns(), .keyrings = {}, .keys = {}};
}

/// Adds the keyring and its members; nothing where it no longer exists.
Result<void> add_keyring(capture::Capture& programs, const events::KeyringName& keyring,
                         events::Baseline& baseline, capture::Batch& meanwhile) {
    auto members = programs.members(keyring.serial, meanwhile);
    if (!members) return std::unexpected(members.error());
    if (members->empty()) return {};
    baseline.keyrings.push_back(keyring);
    std::ranges::move(*members, std::back_inserter(baseline.keys));
    return {};
}

}  // namespace

bool is_watched(const policy::Policy& policy, const std::string& keyring) {
    return std::ranges::any_of(policy.rules, [&](const policy::Rule& rule) {
        return rule.action == policy::Action::kMeasure &&
               (rule.keyrings.empty() ||
                std::ranges::find(rule.keyrings, keyring) != rule.keyrings.end());
    });
}

Result<events::Baseline> take_baseline(capture::Capture& programs, const policy::Policy& policy,
                                       std::string_view reason, capture::Batch& meanwhile) {
    events::Baseline baseline = empty_baseline(reason);
    if (policy.rules.empty()) return baseline;
    const auto keyrings = programs.keyrings(meanwhile);
    if (!keyrings) return std::unexpected(keyrings.error());
    std::deque<events::KeyringName> open;
    for (const events::KeyEvent& keyring : *keyrings)
        if (is_watched(policy, keyring.description))
            open.push_back({keyring.key_serial, keyring.description});
    std::set<std::int32_t> seen;
    for (; !open.empty(); open.pop_front()) {
        const events::KeyringName keyring = open.front();
        if (!seen.insert(keyring.serial).second) continue;
        const std::size_t before = baseline.keys.size();
        if (auto done = add_keyring(programs, keyring, baseline, meanwhile); !done)
            return std::unexpected(done.error());
        for (std::size_t i = before; i < baseline.keys.size(); ++i)
            if (const events::KeyEvent& key = baseline.keys[i];
                key.key_type == "keyring" && key.keyring.serial != 0)
                open.push_back({key.key_serial, key.description});
    }
    return baseline;
}

Result<events::Baseline> take_baseline_of(capture::Capture& programs,
                                          const std::vector<events::KeyringName>& keyrings,
                                          const policy::Policy& policy, std::string_view reason,
                                          capture::Batch& meanwhile) {
    events::Baseline baseline = empty_baseline(reason);
    for (const events::KeyringName& keyring : keyrings) {
        if (!is_watched(policy, keyring.name)) continue;
        if (auto done = add_keyring(programs, keyring, baseline, meanwhile); !done)
            return std::unexpected(done.error());
    }
    return baseline;
}

}  // namespace keyscribe::daemon
