// SPDX-License-Identifier: Apache-2.0
// The formats in which keyscribe list prints entries one by one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/error.h"
#include "controller/cli/journal_actors.h"
#include "controller/cli/paper.h"
#include "controller/cli/record_line.h"
#include "controller/host/settings/config.h"
#include "controller/list/unfold.h"

namespace keyscribe::cli {

class ListPrinter {
  public:
    /// `format`: "text", "events", "json" or "ima". With `follow` the journal is waited for, which
    /// tells who did it. `names`: of text and json, the names of the entries that are wanted;
    /// empty: all.
    ListPrinter(const settings::Config& config, std::string format, bool follow,
                std::vector<std::string> names);

    /// Error: an entry that is not as RECORDS.md says.
    Result<void> print(const list::Entry& entry, std::uint64_t number);
    /// Prints what waited for an entry that did not come: the list has ended.
    void finish();

  private:
    void print_record(const list::Entry& entry, const list::LogicalRecord& record);
    void print_entry(const list::Entry& entry, std::uint64_t number);
    Result<void> print_event(const list::LogicalRecord& record);
    void print_line_of(RecordLine line);
    void print_text(const list::Entry& entry, std::uint64_t number, std::string_view algorithm,
                    Bytes digest, std::size_t size, std::string_view name, const char* colour);
    std::string who(const RecordLine& line);
    bool is_wanted(std::string_view name) const;

    std::string format_;
    bool follow_;
    std::vector<std::string> names_;
    Paper paper_ = paper_of_stdout();
    std::optional<JournalActors> actors_;
    std::optional<RecordLine> payload_;  // of the operation that comes next
};

}  // namespace keyscribe::cli
