// SPDX-License-Identifier: Apache-2.0
// What the programs announced of process images and cgroups: the records behind name these by
// numbers alone.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "bpf/filter.h"
#include "controller/host/events/key_event.h"

namespace keyscribe::capture {

/// Has the programs' own table of what they announced (bpf/maps.bpf.h), so that neither side
/// forgets what the other one remembers, however much a user has announced. A place keeps its
/// former tenant, too: what another CPU announces may stand between an announcement and its record.
class Announced {
  public:
    /// Takes an announcement; returns false where `event` is a record.
    bool take(const events::KeyEvent& event);
    /// Fills in what was announced of the actor.
    void complete(events::Actor& actor) const;

  private:
    struct Cgroup {
        std::uint64_t id = 0;
        std::string path;
    };
    template <class T>
    using Table = std::array<std::array<T, 2>, KS_PLACES>;  // the latest first
    Table<events::Actor> images_;
    Table<Cgroup> cgroups_;
};

}  // namespace keyscribe::capture
