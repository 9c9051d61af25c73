// SPDX-License-Identifier: Apache-2.0
// Records that are written and not in the list yet, and what of them shares an extend. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "controller/host/measure/batch.h"
#include "controller/host/measure/list_writer.h"

namespace keyscribe::measure {

class Group {
  public:
    /// `token`: Spool::taken() with the item that the record is of.
    void add(NamedBuf record, std::uint64_t token);
    /// The records of one event are complete. `each`: a rule wants extends of their own for them.
    void end_event(bool each);
    void add_journal_line(nlohmann::json line) { journal_.push_back(std::move(line)); }

    bool is_empty() const { return records_.empty(); }
    /// Others read an entry at one go: no group is larger than that.
    bool is_full() const;
    /// As soon as nothing waits any more, or the group is full. A short queue makes no group: there
    /// the first event is committed at once, and alone. `waiting`: events in the spool.
    bool is_due(std::uint64_t waiting) const;

    /// The entries that the list gets: one for each record, or keyscribe:batch entries.
    std::vector<NewEntry> entries() const;
    std::uint64_t token() const { return token_; }
    std::size_t events() const { return events_; }
    std::vector<nlohmann::json>& journal() { return journal_; }

  private:
    std::vector<NamedBuf> records_;
    std::size_t bytes_ = 0;
    std::size_t events_ = 0;  // that the records are of
    std::uint64_t token_ = 0;
    bool each_ = false;
    std::vector<nlohmann::json> journal_;  // a line an event
};

}  // namespace keyscribe::measure
