// SPDX-License-Identifier: Apache-2.0
// A kernel in each form in which it is booted or shipped, unpacked to the bytes that run.
#pragma once

#include <string>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::references {

struct KernelContent {
    std::vector<std::uint8_t> image;  ///< an ELF file, or arm64's Image
    std::string form;                 ///< "bzImage (zstd)", "UKI: bzImage (xz)", "vmlinux"
};

/// Whether `content` is a kernel: a bzImage, an arm64 Image, vmlinux, one of these compressed, in
/// EFI's zboot form, or in the section .linux of a PE file (a UKI). Looks at first bytes alone; a
/// compressed file may turn out to be something else.
bool is_kernel(Bytes content);

/// Error: not a kernel; damaged, cut short, another size than it says, or more than kMostImage.
Result<KernelContent> unpack_kernel(Bytes content, const std::string& where);

/// The section .linux of a UKI; empty: not one.
Bytes linux_of_uki(Bytes content);

}  // namespace keyscribe::references
