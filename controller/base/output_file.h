// SPDX-License-Identifier: Apache-2.0
// Files that are written whole or not at all.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "controller/base/digest.h"
#include "controller/base/error.h"
#include "controller/base/unique_fd.h"

namespace keyscribe::base {

/// What a file may be read by, before the umask.
constexpr mode_t kEverybodyReads = 0666;
constexpr mode_t kOwnerReads = 0600;

/// A file under a name of its own, beside the one whose place it takes. Who is root writes into
/// folders of others, too: a link there is not followed, one of another user's on the way to the
/// folder is refused, and what is no regular file (a FIFO would block, a device would be replaced)
/// is refused. Without put_into_place() all stays as it was.
class OutputFile {
  public:
    /// Error: `path` stands for something else than a regular file, or its folder takes no file.
    static Result<OutputFile> create(const std::filesystem::path& path, mode_t mode);
    OutputFile(OutputFile&& other) noexcept;
    OutputFile& operator=(OutputFile&& other) noexcept;
    ~OutputFile();

    Result<void> write(Bytes bytes);
    /// Replaces what stands at `path`, or is the first to stand there.
    Result<void> put_into_place();

  private:
    OutputFile() = default;
    UniqueFd folder_, file_;
    std::filesystem::path path_;
    std::string fresh_;  // its name until then; "": it is in its place
};

/// Writes `path` by way of an OutputFile.
Result<void> write_file(const std::filesystem::path& path, Bytes bytes,
                        mode_t mode = kEverybodyReads);

}  // namespace keyscribe::base
