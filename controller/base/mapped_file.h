// SPDX-License-Identifier: Apache-2.0
// A file's bytes, mapped read-only: lists and evidence can be hundreds of MiB. A small file is
// read, which is less work than to map and unmap it: reference values are a thousand of them.
#pragma once

#include <filesystem>
#include <utility>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::base {

class MappedFile {
  public:
    /// Maps what the file has now; it must not be truncated while it is mapped. An empty file is
    /// an empty span. Error: it cannot be opened, or is no regular file.
    static Result<MappedFile> open(const std::filesystem::path& path);

    MappedFile(MappedFile&& other) noexcept
        : read_(std::move(other.read_)), bytes_(std::exchange(other.bytes_, {})) {}
    MappedFile& operator=(MappedFile&& other) noexcept {
        std::swap(read_, other.read_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~MappedFile();

    Bytes bytes() const { return bytes_; }

  private:
    explicit MappedFile(Bytes mapping) : bytes_(mapping) {}
    explicit MappedFile(std::vector<std::uint8_t>&& read) : read_(std::move(read)), bytes_(read_) {}
    std::vector<std::uint8_t> read_;  // a small file
    Bytes bytes_;                     // of it, or a mapping
};

}  // namespace keyscribe::base
