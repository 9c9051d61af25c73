// SPDX-License-Identifier: Apache-2.0
// Notices records whose order need not be the order of the operations.
//
// A program records an operation when the kernel has unlocked the keyring again. Before that its
// task can be preempted, for any time, so of two tasks the later operation can be recorded first.
// That matters only where the order decides what the keyring holds: where both operations are about
// keys of one type and description, or where one of them empties the keyring. One task's records
// are always in order.
//
// Where a keyring holds keys of one type and description from several network namespaces, a record
// of one that comes in does not say whether it took another's place: that is asked too.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "controller/host/events/baseline.h"
#include "controller/host/events/key_event.h"

namespace keyscribe::daemon {

class OrderWatch {
  public:
    /// Events in the order of the ring.
    void add(const events::KeyEvent& event);

    bool has_doubts() const { return !doubts_.empty(); }
    /// The keyrings that hold a place in doubt.
    std::vector<events::KeyringName> keyrings_in_doubt() const;
    /// Hands out what is in doubt, and forgets it: somebody looks.
    std::vector<events::PlaceInDoubt> take_doubts();

  private:
    struct Keyring {
        std::string name;
        std::uint32_t emptied_by = 0;  // the task; 0: none, or too long ago to matter
        std::uint64_t emptied_at = 0;  // ns of CLOCK_BOOTTIME
        std::unordered_map<std::size_t, std::uint32_t> last_task;  // by key_index()
        // Of keys that network namespaces tell apart: the last serial, by type and description.
        std::map<std::pair<std::string, std::string>, std::int32_t> last_of_networks;
    };
    void add_change(const events::KeyringName& keyring, std::size_t index,
                    const events::KeyEvent& event);
    void add_newcomer(const events::KeyEvent& event);
    void add_emptying(std::int32_t serial, const std::string& name, const events::KeyEvent& event);
    void forget_oldest();

    std::unordered_map<std::int32_t, Keyring> keyrings_;
    std::deque<std::pair<std::int32_t, std::size_t>> oldest_first_;
    std::set<events::PlaceInDoubt> doubts_;
};

}  // namespace keyscribe::daemon
