// SPDX-License-Identifier: Apache-2.0
// How far long work has come: one line on the standard error, written over again, where that is a
// terminal; else nothing.
#pragma once

#include <cstddef>
#include <mutex>
#include <string_view>

namespace keyscribe::cli {

class Progress {
  public:
    Progress();
    /// Takes the line away.
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    /// "DONE of ALL: WHAT". Bytes of others' in `what` are made printable. Any thread may call it.
    void tell(std::size_t done, std::size_t all, std::string_view what);

  private:
    const bool is_terminal_;
    std::mutex mutex_;
};

}  // namespace keyscribe::cli
