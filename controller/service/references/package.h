// SPDX-License-Identifier: Apache-2.0
// Packages that bring kernels: Debian's .deb, .rpm, and tar archives.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::references {

/// A file of a package.
struct PackagedFile {
    std::string name;  ///< in the package, without a leading "./"
    std::vector<std::uint8_t> content;
};

/// Whether `content` is a package by its first bytes, which of a compressed tar archive are undone.
bool is_package(Bytes content);

/// Whether a file's name is a kernel's: vmlinuz*, vmlinux*, bzImage*, Image*, *.efi.
bool is_kernel_name(std::string_view name);

/// Calls `take` for each file in it that is named as kernels are: vmlinuz*, vmlinux*, bzImage*,
/// Image*, *.efi; one at a time, since each may have kMostImage bytes. Returns how many there were.
/// Error: that of `take`; damaged or cut short; one of them has more than kMostImage bytes; more
/// than 16 GiB in all.
Result<std::size_t> for_each_kernel(Bytes content, const std::string& where,
                                    const std::function<Result<void>(const PackagedFile&)>& take);

}  // namespace keyscribe::references
