// SPDX-License-Identifier: Apache-2.0
// A source of reference values, told apart by its content.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "controller/base/error.h"
#include "controller/service/references/findings.h"

namespace keyscribe::references {

using OnFile = std::function<void(std::size_t, std::size_t, const std::string&)>;

/// Reads one source:
/// - a kernel or a UKI (kernel_image.h), a package with kernels (package.h);
/// - a folder of these, in which other files and packages without a kernel are left out, with a
/// note;
/// - efivarfs, or a file of it; EFI signature lists of digests alone, which are dbx's;
/// - db=FILE, dbx=FILE, mok=FILE, mokx=FILE: certificates or EFI signature lists for that variable;
/// - a signed module or EFI program;
/// - evidence of a golden host.
/// Error: none of these, or one that is damaged; where is the file and the place in it.
/// `on_file(number, all, name)` is called before each file of a folder.
Result<void> read_source(const std::string& source, Findings& to, const OnFile& on_file = {});

/// The same of a file's bytes; `file` is its name.
Result<void> read_file_source(Bytes content, const std::string& file, Findings& to);

}  // namespace keyscribe::references
