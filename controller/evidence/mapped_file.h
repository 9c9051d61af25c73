// SPDX-License-Identifier: Apache-2.0
// A file's bytes, mapped read-only. Lists and evidence can be hundreds of MiB.
#pragma once

#include <filesystem>

#include "controller/error.h"
#include "controller/measure/digest.h"

namespace keyscribe::evidence {

class MappedFile {
  public:
    /// Maps what the file has now; it must not be truncated while it is mapped. An empty file is
    /// an empty span. Error: it cannot be opened, or is no regular file.
    static Result<MappedFile> open(const std::filesystem::path& path);

    MappedFile(MappedFile&& other) noexcept : bytes_(other.bytes_) { other.bytes_ = {}; }
    MappedFile& operator=(MappedFile&& other) noexcept {
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~MappedFile();

    measure::Bytes bytes() const { return bytes_; }

  private:
    explicit MappedFile(measure::Bytes bytes) : bytes_(bytes) {}
    measure::Bytes bytes_;
};

}  // namespace keyscribe::evidence
