// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/booted_kernel.h"

#include "controller/service/appraise/codes.h"

namespace keyscribe::appraise {

const KernelImage* booted_kernel(const FirmwareCheck& firmware, const KernelImages& images) {
    if (images.size() == 0) return nullptr;
    for (const Sha256& digest : firmware.measured(4))
        if (const KernelImage* image = images.by_authenticode(digest)) return image;
    for (const unsigned pcr : {9u, 11u})
        for (const Sha256& digest : firmware.measured(pcr))
            if (const KernelImage* image = images.by_file(digest)) return image;
    return nullptr;
}

const KernelImage* find_running_kernel(const FirmwareCheck& firmware, const KernelImages& images,
                                       const AppraisalPolicy& policy, bool after_kexec,
                                       Findings& findings) {
    const bool required = policy.firmware.require_known_kernel;
    if (images.size() == 0 && !required) return nullptr;
    const KernelImage* found = after_kexec ? nullptr : booted_kernel(firmware, images);
    if (found == nullptr)
        findings.add(codes::kKernelUnknown, !required,
                     after_kexec
                         ? "the PCR did not begin with this kernel: which one runs is not known"
                         : "nothing that a quote covers says that one of the " +
                               std::to_string(images.size()) + " known kernel images was booted");
    return found;
}

}  // namespace keyscribe::appraise
