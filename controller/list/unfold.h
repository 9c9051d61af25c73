// SPDX-License-Identifier: Apache-2.0
// A list entry as the records that it stands for: itself, or what a keyscribe:batch holds
// (RECORDS.md). Nothing is copied, nothing is allocated, and nothing is nested.
#pragma once

#include <optional>
#include <string_view>

#include "controller/base/error.h"
#include "controller/list/list_reader.h"

namespace keyscribe::list {

/// What one ima-buf entry, or one in a batch, says. Views into the list's bytes.
struct LogicalRecord {
    std::uint64_t entry = 0;  ///< number of the list entry that it stands in, from 0
    std::uint32_t index = 0;  ///< in that entry, from 0
    std::string_view name;    ///< n-ng: a keyring's name, or keyscribe:KIND
    Bytes buf;
    std::size_t offset = 0;  ///< of `buf` in the list
};

class Unfolded {
  public:
    /// `number` of the entry in its list. Entries of other templates than ima-buf (boot_aggregate)
    /// and violations stand for no record.
    /// Error: template data or a batch that are malformed; then none of it is told.
    static Result<Unfolded> of(const Entry& entry, std::uint64_t number);

    /// The next record; nothing after the last.
    std::optional<LogicalRecord> next();

  private:
    LogicalRecord record_;
    Bytes rest_;  // of the batch's entries
    const std::uint8_t* list_ = nullptr;
    bool batch_ = false;
    bool done_ = true;
};

/// Calls `visit(record)` for each record of the list.
/// Error: the list's or an entry's; what came before it was visited.
template <class Visit>
Result<void> for_each_record(Bytes list, Visit visit) {
    ListReader reader(list);
    for (std::uint64_t number = 0;; ++number) {
        const auto entry = reader.next();
        if (!entry) return std::unexpected(entry.error());
        if (!*entry) return {};
        auto records = Unfolded::of(**entry, number);
        if (!records) return std::unexpected(records.error());
        while (const auto record = records->next()) visit(*record);
    }
}

}  // namespace keyscribe::list
