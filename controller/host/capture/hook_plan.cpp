// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/hook_plan.h"

#include <fcntl.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "controller/base/unique_fd.h"
#include "controller/host/capture/kernel_btf.h"

namespace keyscribe::capture {
namespace {

constexpr const char* kBtf = "/sys/kernel/btf/vmlinux";
constexpr const char* kActiveLsms = "/sys/kernel/security/lsm";
constexpr const char* kLsmHook = "bpf_lsm_key_post_create_or_update";
constexpr const char* kSecurityFunction = "security_key_post_create_or_update";
constexpr const char* kImaFunction = "ima_post_key_create_or_update";

Result<std::string> read_file(const char* path) {
    UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
    if (!fd) return fail_errno("cannot open", path);
    std::string content;
    std::array<char, 65536> block;
    for (;;) {
        const ssize_t got = ::read(fd.get(), block.data(), block.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno("cannot read", path);
        if (got == 0) return content;
        content.append(block.data(), static_cast<std::size_t>(got));
    }
}

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, separator);) {
        while (!part.empty() && part.back() == '\n') part.pop_back();
        if (!part.empty()) parts.push_back(part);
    }
    return parts;
}

/// Of the other operations, and of the baseline.
struct TracedFunction {
    std::string_view operations;
    /// fexit where it can fail, or changes what the key is (keyscribe.bpf.c says why); else fentry
    std::string_view kind;
    std::string_view function;
    std::string_view program;
};

constexpr std::array kTracedFunctions = {
    TracedFunction{"update (keyctl)", "fexit", "key_update", "update"},
    TracedFunction{"instantiate, creation of keyrings", "fexit", "key_instantiate_and_link",
                   "instantiate"},
    TracedFunction{"reject", "fexit", "key_reject_and_link", "reject"},
    TracedFunction{"link", "fexit", "key_link", "link"},
    TracedFunction{"link (request_key, of a key under construction)", "fentry",
                   "request_key_auth_new", "link_requested"},
    TracedFunction{"link (request_key, of a key that is there)", "fexit",
                   "__key_link_check_live_key", "link_present"},
    TracedFunction{"unlink", "fexit", "key_unlink", "unlink"},
    TracedFunction{"move", "fexit", "key_move", "move"},
    TracedFunction{"clear", "fexit", "keyring_clear", "clear"},
    TracedFunction{"restrict", "fexit", "keyring_restrict", "restrict_links"},
    TracedFunction{"revoke", "fexit", "key_revoke", "revoke"},
    TracedFunction{"invalidate", "fexit", "key_invalidate", "invalidate"},
    TracedFunction{"timeout", "fexit", "key_set_timeout", "timeout"},
    TracedFunction{"setperm", "fexit", "keyctl_setperm_key", "setperm"},
    TracedFunction{"chown", "fexit", "keyctl_chown_key", "chown"},
    TracedFunction{"destroy", "fentry", "security_key_free", "destroy"},
    TracedFunction{"executables that are replaced (prctl)", "fentry", "replace_mm_exe_file",
                   "exe_replaced"},
    TracedFunction{"executables that are replaced (children)", "fentry", "wake_up_new_task",
                   "exe_inherited"},
    TracedFunction{"executables that are replaced (ends)", "fentry", "exit_mmap", "exe_forgotten"},
    TracedFunction{"baseline", "fentry", "security_key_getsecurity", "stand"},
};

struct Alternative {
    std::string_view choice;
    Hook hook;
    bool offered;
    std::string missing;
};

}  // namespace

Result<KernelFeatures> probe_kernel() {
    KernelFeatures kernel;
    utsname names{};
    if (::uname(&names) == 0) kernel.release = names.release;

    // Without securityfs no LSM can be said to be active: the fallback is the safe choice.
    if (auto lsms = read_file(kActiveLsms); lsms) {
        kernel.active_lsms = split(*lsms, ',');
        kernel.bpf_lsm = std::ranges::find(kernel.active_lsms, "bpf") != kernel.active_lsms.end();
    } else if (::access(kActiveLsms, F_OK) == 0) {
        return std::unexpected(lsms.error());
    }
    if (::access(kBtf, F_OK) != 0) return kernel;

    auto btf = KernelBtf::read();
    if (!btf) return std::unexpected(btf.error());
    NameSet wanted = {kLsmHook, kSecurityFunction, kImaFunction};
    for (const TracedFunction& traced : kTracedFunctions) wanted.emplace(traced.function);
    const NameSet found = btf->names_among(wanted);
    kernel.btf = true;
    kernel.lsm_hook = found.contains(kLsmHook);
    kernel.security_function = found.contains(kSecurityFunction);
    kernel.ima_function = found.contains(kImaFunction);
    for (const TracedFunction& traced : kTracedFunctions)
        if (!found.contains(traced.function)) kernel.absent.emplace_back(traced.function);
    kernel.types = std::make_shared<const KernelBtf>(std::move(*btf));
    return kernel;
}

Result<HookPlan> plan_hooks(const KernelFeatures& kernel, std::string_view choice) {
    if (!kernel.btf)
        return fail("the kernel has no type information", kBtf,
                    "a kernel built with CONFIG_DEBUG_INFO_BTF=y is needed, as Debian's are");

    const std::string operations = "create, update (add_key)";
    const std::array alternatives = {
        Alternative{"lsm",
                    {operations, "lsm:key_post_create_or_update", "create_or_update_lsm",
                     "bpf is an active LSM and the kernel has the hook"},
                    kernel.bpf_lsm && kernel.lsm_hook,
                    !kernel.lsm_hook ? "the kernel has no LSM hook key_post_create_or_update"
                                     : "bpf is not in /sys/kernel/security/lsm"},
        Alternative{
            "fentry",
            {operations, "fentry:security_key_post_create_or_update", "create_or_update_security",
             "bpf is not an active LSM, but the function behind the LSM hook can be traced"},
            kernel.security_function,
            "the kernel has no function security_key_post_create_or_update"},
        Alternative{"ima",
                    {operations, "fentry:ima_post_key_create_or_update", "create_or_update_ima",
                     "the kernel has no LSM hook here, but IMA's can be traced"},
                    kernel.ima_function,
                    "the kernel has no function ima_post_key_create_or_update "
                    "(CONFIG_IMA_MEASURE_ASYMMETRIC_KEYS)"},
    };
    if (!kernel.absent.empty()) {
        std::string names;
        for (const std::string& name : kernel.absent) names += (names.empty() ? "" : ", ") + name;
        return fail("the kernel has no function to trace: " + names, "kernel " + kernel.release,
                    "see README.md for the kernels that are supported");
    }
    std::string missing;
    for (const Alternative& alternative : alternatives) {
        if (choice != "auto" && choice != alternative.choice) continue;
        if (alternative.offered) {
            Hook hook = alternative.hook;
            if (choice != "auto") hook.why = "the configuration asks for it (capture.hook)";
            HookPlan plan{hook};
            for (const TracedFunction& traced : kTracedFunctions)
                plan.push_back({std::string(traced.operations),
                                std::string(traced.kind) + ':' + std::string(traced.function),
                                std::string(traced.program), "there is no LSM hook behind it"});
            return plan;
        }
        missing += (missing.empty() ? "" : "; ") + alternative.missing;
    }
    return fail("no attach point for create and update of keys: " + missing,
                "kernel " + kernel.release,
                choice == "auto" ? "see README.md for the kernels that are supported"
                                 : "set capture.hook = \"auto\" to let keyscribe choose");
}

}  // namespace keyscribe::capture
