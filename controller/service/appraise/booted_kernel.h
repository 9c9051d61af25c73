// SPDX-License-Identifier: Apache-2.0
// Which of the kernel images that are known the host was booted with, by the firmware's log.
#pragma once

#include "controller/service/appraise/firmware_check.h"
#include "controller/service/appraise/kernel_images.h"

namespace keyscribe::appraise {

/// By PCR 4 (Authenticode digest: the firmware's, shim's or GRUB's), PCR 9 (file: GRUB's) or PCR 11
/// (section of a UKI: systemd-stub's). The first event that is known counts: root can append more
/// of them, but puts none before those of the boot.
/// nullptr: none is known, or no quote covers the log. After a kexec another kernel runs.
const KernelImage* booted_kernel(const FirmwareCheck& firmware, const KernelImages& images);

/// The kernel that runs, as far as it is known; where it is not, `findings` say so, unless no image
/// is known and none is required. `after_kexec`: the log tells of the kernel that the firmware
/// started.
const KernelImage* find_running_kernel(const FirmwareCheck& firmware, const KernelImages& images,
                                       const AppraisalPolicy& policy, bool after_kexec,
                                       Findings& findings);

}  // namespace keyscribe::appraise
