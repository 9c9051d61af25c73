// SPDX-License-Identifier: Apache-2.0
// A file's bytes, read whole into memory of this process alone: what is hashed is what is judged,
// whatever somebody else does with the file meanwhile.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::base {

class MappedFile {
  public:
    /// Sixteen times the evidence that is promised to be judged. A file with a hole takes no place
    /// on a disk, and more memory here than there is.
    static constexpr std::uintmax_t kMost = std::uintmax_t{1} << 30;

    /// An empty file is an empty span. A file of the kernel's, which says that it is empty, is
    /// read to its end.
    /// Error: it cannot be opened or read, is no regular file, has more than `most` bytes, or
    /// changed while it was read.
    static Result<MappedFile> open(const std::filesystem::path& path, std::uintmax_t most = kMost);

    MappedFile(MappedFile&&) noexcept = default;
    MappedFile& operator=(MappedFile&&) noexcept = default;

    Bytes bytes() const { return bytes_; }

  private:
    explicit MappedFile(std::vector<std::uint8_t>&& bytes) : bytes_(std::move(bytes)) {}
    std::vector<std::uint8_t> bytes_;
};

}  // namespace keyscribe::base
