// SPDX-License-Identifier: Apache-2.0
// Which of the kernel images that are known the host was booted with, by the firmware's log.
#pragma once

#include <string>

#include "controller/service/appraise/firmware_check.h"
#include "controller/service/appraise/kernel_images.h"

namespace keyscribe::appraise {

struct BootedKernel {
    const KernelImage* image = nullptr;  ///< that the log names; its certificates are compared
    std::string doubt{};                 ///< why another kernel may run; empty: none may
};

/// By PCR 4 (Authenticode digest: the firmware's, shim's or GRUB's), PCR 9 (file: GRUB's) or PCR 11
/// (section of a UKI: systemd-stub's). PCR 4 alone says what was started, under Secure Boot, and
/// only where nothing was started behind it: GRUB measures each file that it reads, and whoever is
/// root extends PCR 9 and 11 as he likes. After a kexec another kernel runs.
BootedKernel booted_kernel(const FirmwareCheck& firmware, const KernelImages& images,
                           bool after_kexec);

/// Tells what is doubtful about it, unless no image is known and none is required. `alone`: the
/// kernel's list has one boot_aggregate, that of the log's PCRs. So nothing was appended to PCR 4
/// since this kernel began, and no other one was started by kexec.
void tell_kernel(const BootedKernel& kernel, bool alone, std::size_t known,
                 const AppraisalPolicy& policy, Findings& findings);

}  // namespace keyscribe::appraise
