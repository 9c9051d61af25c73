// SPDX-License-Identifier: Apache-2.0
// The list over a kexec: PCRs keep their values and /run does not, so the daemon that ends keeps
// the list on disk, and the next one goes on with it where it gives the PCR's value.
#pragma once

#include <filesystem>

#include "controller/base/error.h"

namespace keyscribe::measure {

/// Whether a kernel is loaded that reboot(2) would start by kexec.
bool is_kexec_loaded(const std::filesystem::path& file = "/sys/kernel/kexec_loaded");

/// Copies the list in `directory` to `former`, readable by its owner. Nothing where there is none.
Result<void> keep_list(const std::filesystem::path& directory, const std::filesystem::path& former);

/// Puts the list that was kept into `directory`, in both its forms, unless there is one already.
/// Returns whether it did. Error: the list cannot be read, or written.
Result<bool> take_former_list(const std::filesystem::path& directory,
                              const std::filesystem::path& former);

/// Takes that back: it is not the PCR's.
void drop_former_list(const std::filesystem::path& directory);

}  // namespace keyscribe::measure
