// SPDX-License-Identifier: Apache-2.0
// Which attach point each operation gets on the running kernel, and why.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/error.h"

namespace keyscribe::capture {

class KernelBtf;

/// What this kernel offers.
struct KernelFeatures {
    std::string release;                     ///< uname -r
    bool btf = false;                        ///< /sys/kernel/btf/vmlinux is there
    std::vector<std::string> active_lsms;    ///< /sys/kernel/security/lsm, in its order
    bool bpf_lsm = false;                    ///< "bpf" is among them
    bool lsm_hook = false;                   ///< LSM hook key_post_create_or_update (since 6.10)
    bool security_function = false;          ///< security_key_post_create_or_update
    bool ima_function = false;               ///< ima_post_key_create_or_update
    std::vector<std::string> absent;         ///< functions of the other operations that it has not
    std::shared_ptr<const KernelBtf> types;  ///< what that is known from; null without BTF
};

/// One operation's choice.
struct Hook {
    std::string operations;    ///< "create, update"
    std::string attach_point;  ///< "lsm:key_post_create_or_update"
    std::string program;       ///< the BPF program's name in bpf/keyscribe.bpf.c
    std::string why;           ///< a sentence
};

using HookPlan = std::vector<Hook>;

/// Reads /sys/kernel/btf/vmlinux and /sys/kernel/security/lsm.
/// Error: either is unreadable although it is there.
Result<KernelFeatures> probe_kernel();

/// For create and update by add_key(2) the best attach point, or the one that `choice` asks for:
/// "auto", "lsm", "fentry", "ima". The other operations have one each, which every kernel
/// since 5.10 has. Error: the kernel does not offer it; the text names what is missing.
Result<HookPlan> plan_hooks(const KernelFeatures& kernel, std::string_view choice = "auto");

}  // namespace keyscribe::capture
