// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/baseline_writer.h"

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "policy/matcher.h"

namespace keyscribe::measure {

events::Baseline contradicted_part(const events::Baseline& baseline,
                                   const std::vector<events::PlaceInDoubt>& doubts,
                                   const events::KeyTable& table) {
    std::map<std::pair<std::int32_t, std::size_t>, std::int32_t> kernels;
    for (const events::KeyEvent& key : baseline.keys)
        kernels[{key.keyring.serial, events::key_index(key.key_type, key.description,
                                                       key.key_serial)}] = key.key_serial;
    std::set<std::int32_t> keyrings;
    for (const events::PlaceInDoubt& place : doubts) {
        const auto key = kernels.find({place.keyring, place.index});
        const std::int32_t now = key == kernels.end() ? 0 : key->second;
        if (now != table.key_at(place.keyring, place.index)) keyrings.insert(place.keyring);
    }
    events::Baseline part{.reason = baseline.reason,
                          .boot_time_ns = baseline.boot_time_ns,
                          .keyrings = {},
                          .keys = {}};
    for (const events::KeyringName& keyring : baseline.keyrings)
        if (keyrings.contains(keyring.serial)) part.keyrings.push_back(keyring);
    // A keyring itself stands there without a keyring.
    for (const events::KeyEvent& key : baseline.keys)
        if (keyrings.contains(key.keyring.serial != 0 ? key.keyring.serial : key.key_serial))
            part.keys.push_back(key);
    return part;
}

void write_baseline(const events::Baseline& baseline, const policy::Policy& policy,
                    std::string_view reason, const std::optional<events::Difference>& difference,
                    const std::function<void(const records::Record&)>& add) {
    std::set<std::int32_t> named;
    for (const events::KeyEvent& key : baseline.keys)
        if (key.keyring.serial == 0 && policy::any_rule_names(policy, key.description, key.key_uid))
            named.insert(key.key_serial);
    for (const records::Record& record : records::baseline_begin_records(
             baseline.boot_time_ns, reason, baseline.keyrings, baseline.gone, named))
        add(record);
    for (const events::KeyEvent& key : baseline.keys) add(records::baseline_record(key));
    add(records::baseline_end_record(baseline.boot_time_ns, baseline.keyrings.size(),
                                     baseline.keys.size(), difference));
}

}  // namespace keyscribe::measure
