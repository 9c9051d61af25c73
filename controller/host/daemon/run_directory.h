// SPDX-License-Identifier: Apache-2.0
// The folder of list, spool and socket, which is this daemon's alone.
#pragma once

#include <filesystem>

#include "controller/base/error.h"
#include "controller/base/unique_fd.h"

namespace keyscribe::daemon {

class RunDirectory {
  public:
    /// Makes the folder where there is none, and holds two locks for the life of this object: two
    /// daemons would write one list and read one ring. One is a file in the folder; whoever removes
    /// the folder removes that, so the other is on the BPF file system's root.
    /// Error: another daemon runs; the folder cannot be made.
    static Result<RunDirectory> open(const std::filesystem::path& directory);

    /// Makes the folder anew where somebody removed it; those who keep files in it put them back.
    /// Returns whether it did. Error: it cannot be made.
    Result<bool> restore();

  private:
    Result<void> make();

    std::filesystem::path directory_;
    UniqueFd bpf_lock_, lock_;
};

}  // namespace keyscribe::daemon
