// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/booted_kernel.h"

#include <algorithm>

#include "controller/service/appraise/codes.h"

namespace keyscribe::appraise {
namespace {

/// What was started, in order. Behind the last known image nothing may follow: neither a program
/// that is not known nor an image with other certificates.
BootedKernel image_started(const FirmwareCheck& firmware, const KernelImages& images) {
    BootedKernel found;
    for (const Sha256& digest : firmware.measured(4)) {
        const KernelImage* image = images.by_authenticode(digest);
        if (found.image == nullptr)
            found.image = image;
        else if (image == nullptr)
            found.doubt = "PCR 4 says that a program that is not known was started behind it";
        else if (image->keys != found.image->keys)
            return {nullptr, "by PCR 4 several were started, with different certificates"};
        else
            found = {image};
    }
    return found;
}

/// What was read, or is the section of a UKI that is not known. An image that Secure Boot would
/// have put into PCR 4 was not started by the boot loader.
BootedKernel image_read(const FirmwareCheck& firmware, const KernelImages& images, unsigned pcr,
                        bool shown_in_pcr4) {
    BootedKernel found;
    for (const Sha256& digest : firmware.measured(pcr)) {
        const KernelImage* image = images.by_file(digest);
        if (image == nullptr || (shown_in_pcr4 && image->authenticode)) continue;
        if (found.image != nullptr && image->keys != found.image->keys)
            return {nullptr, "by PCR " + std::to_string(pcr) +
                                 " several were read, with different certificates"};
        found = {image, "PCR " + std::to_string(pcr) +
                            " says that it was read, and PCR 4 does not say that it was started"};
    }
    return found;
}

}  // namespace

BootedKernel booted_kernel(const FirmwareCheck& firmware, const KernelImages& images,
                           bool after_kexec) {
    if (after_kexec)
        return {nullptr,
                "another kernel was started by kexec, or the PCR did not begin with this one: "
                "which one "
                "runs is not known"};
    const bool secure = firmware.secure_boot() && firmware.secure_boot()->on;
    BootedKernel found = image_started(firmware, images);
    if (found.image == nullptr && found.doubt.empty())
        found = image_read(firmware, images, 9, secure && !firmware.measured(4).empty());
    if (found.image == nullptr && found.doubt.empty())
        found = image_read(firmware, images, 11, false);
    if (found.image != nullptr && found.doubt.empty() && !secure)
        found.doubt = "without Secure Boot any kernel can be started, and measure another";
    return found;
}

void tell_kernel(const BootedKernel& kernel, bool alone, std::size_t known,
                 const AppraisalPolicy& policy, Findings& findings) {
    const bool required = policy.firmware.require_known_kernel;
    if (known == 0 && !required) return;
    std::string doubt = kernel.doubt;
    if (doubt.empty() && kernel.image == nullptr)
        doubt = "nothing that a quote covers says that one of the " + std::to_string(known) +
                " known kernel images was booted";
    if (doubt.empty() && !alone)
        doubt =
            "the kernel's list does not show that nothing was appended to PCR 4 since it began, "
            "and that no other one was started by kexec";
    if (doubt.empty()) return;
    findings.add(codes::kKernelUnknown, !required,
                 kernel.image == nullptr ? doubt
                                         : "another kernel than " + printable(kernel.image->name) +
                                               " may run: " + doubt);
}

}  // namespace keyscribe::appraise
