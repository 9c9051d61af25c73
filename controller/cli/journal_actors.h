// SPDX-License-Identifier: Apache-2.0
// Who did what the list tells, from the event journal (it proves nothing;
// controller/host/measure/journal.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "controller/base/unique_fd.h"

namespace keyscribe::cli {

class JournalActors {
  public:
    /// `directory`: the journal's, with a folder for each boot. Without one, or where it may not be
    /// read, nobody is known.
    static JournalActors of_this_boot(const std::filesystem::path& directory);
    /// `folder`: of one boot.
    explicit JournalActors(const std::filesystem::path& folder);

    /// As actor_text() has it; empty: the journal does not say. An operation is told by its number
    /// and its time: a number alone comes again when the programs were detached.
    std::string who(std::uint64_t sequence, std::uint64_t boot_time_ns);

  private:
    void read_rest();
    void take(std::string_view line);

    std::filesystem::path file_;
    UniqueFd fd_;
    std::string rest_;  // of a line that is not whole yet
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> actors_;
};

}  // namespace keyscribe::cli
