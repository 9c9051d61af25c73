// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/duplicates.h"

#include <algorithm>
#include <map>
#include <set>

namespace keyscribe::capture {
namespace {

bool same_operation(const events::KeyEvent& one, const events::KeyEvent& other) {
    return one.operation == other.operation && one.key_serial == other.key_serial &&
           one.keyring.serial == other.keyring.serial &&
           one.payload_length == other.payload_length && one.description == other.description;
}

}  // namespace

std::size_t drop_duplicates(const std::vector<events::KeyEvent>& older,
                            std::vector<events::KeyEvent>& newer) {
    // Of each thread the newer records by time; each older one belongs to the one before it.
    std::map<std::uint32_t, std::map<std::uint64_t, std::size_t>> by_thread;
    for (std::size_t i = 0; i < newer.size(); ++i)
        by_thread[newer[i].actor.tid].emplace(newer[i].boot_time_ns, i);
    std::set<std::size_t> twice;
    for (const events::KeyEvent& event : older) {
        const auto thread = by_thread.find(event.actor.tid);
        if (thread == by_thread.end()) continue;
        const auto behind = thread->second.upper_bound(event.boot_time_ns);
        if (behind == thread->second.begin()) continue;
        const std::size_t before = std::prev(behind)->second;
        if (same_operation(event, newer[before])) twice.insert(before);
    }
    std::size_t index = 0;
    std::erase_if(newer, [&](const events::KeyEvent&) { return twice.contains(index++); });
    return twice.size();
}

}  // namespace keyscribe::capture
