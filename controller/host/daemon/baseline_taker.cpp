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

/// Adds the keyring and its members. False: it no longer exists. Its serial can be another's by
/// now.
Result<bool> add_keyring(capture::Capture& programs, const events::KeyringName& keyring,
                         events::Baseline& baseline, capture::Batch& meanwhile) {
    auto members = programs.members(keyring.serial, meanwhile);
    if (!members) return std::unexpected(members.error());
    if (members->empty() || members->front().description != keyring.name) return false;
    baseline.keyrings.push_back(keyring);
    std::ranges::move(*members, std::back_inserter(baseline.keys));
    return true;
}

/// Adds these keyrings, every keyring in them, and so on. `seen`: all that were looked for.
Result<void> add_with_nested(capture::Capture& programs, std::deque<events::KeyringName> open,
                             std::set<std::int32_t>& seen, events::Baseline& baseline,
                             capture::Batch& meanwhile) {
    for (; !open.empty(); open.pop_front()) {
        const events::KeyringName keyring = open.front();
        if (!seen.insert(keyring.serial).second) continue;
        const std::size_t before = baseline.keys.size();
        const auto is_there = add_keyring(programs, keyring, baseline, meanwhile);
        if (!is_there) return std::unexpected(is_there.error());
        for (std::size_t i = before; i < baseline.keys.size(); ++i)
            if (const events::KeyEvent& key = baseline.keys[i];
                key.key_type == "keyring" && key.keyring.serial != 0)
                open.push_back({key.key_serial, key.description});
    }
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
                                       std::string_view reason, const KnownKeyrings::Names& known,
                                       capture::Batch& meanwhile) {
    events::Baseline baseline = empty_baseline(reason);
    if (policy.rules.empty()) return baseline;
    const auto keyrings = programs.keyrings(meanwhile);
    if (!keyrings) return std::unexpected(keyrings.error());
    std::deque<events::KeyringName> open;
    for (const events::KeyEvent& keyring : *keyrings)
        if (is_watched(policy, keyring.description))
            open.push_back({keyring.key_serial, keyring.description});
    // Those behind are of other namespaces, nested in what is watched, or gone.
    for (const auto& [serial, name] : known)
        if (is_watched(policy, name)) open.push_back({serial, name});
    std::set<std::int32_t> seen;
    if (auto done = add_with_nested(programs, std::move(open), seen, baseline, meanwhile); !done)
        return std::unexpected(done.error());
    std::set<std::int32_t> there;
    for (const events::KeyringName& keyring : baseline.keyrings) there.insert(keyring.serial);
    for (const auto& [serial, name] : known) {
        if (there.contains(serial)) continue;
        if (!seen.contains(serial)) {  // nobody watches it now
            const auto members = programs.members(serial, meanwhile);
            if (!members) return std::unexpected(members.error());
            if (!members->empty() && members->front().description == name) continue;
        }
        baseline.gone.push_back(serial);
    }
    return baseline;
}

Result<events::Baseline> take_baseline_of(capture::Capture& programs,
                                          const std::vector<events::KeyringName>& keyrings,
                                          std::string_view reason, capture::Batch& meanwhile) {
    events::Baseline baseline = empty_baseline(reason);
    for (const events::KeyringName& keyring : keyrings)
        if (const auto done = add_keyring(programs, keyring, baseline, meanwhile); !done)
            return std::unexpected(done.error());
    return baseline;
}

Result<events::Baseline> take_baseline_below(capture::Capture& programs,
                                             const std::vector<events::KeyringName>& keyrings,
                                             std::string_view reason, capture::Batch& meanwhile) {
    events::Baseline baseline = empty_baseline(reason);
    std::set<std::int32_t> seen;
    if (auto done = add_with_nested(programs, {keyrings.begin(), keyrings.end()}, seen, baseline,
                                    meanwhile);
        !done)
        return std::unexpected(done.error());
    return baseline;
}

}  // namespace keyscribe::daemon
