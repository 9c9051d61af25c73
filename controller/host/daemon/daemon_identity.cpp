// SPDX-License-Identifier: Apache-2.0
#include "controller/host/daemon/daemon_identity.h"

#include <algorithm>
#include <ctime>
#include <fstream>

#include "controller/host/capture/capture.h"

namespace keyscribe::daemon {

std::string boot_id() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string id;
    std::getline(file, id);
    return id;
}

records::DaemonIdentity describe_daemon(const capture::KernelFeatures& kernel,
                                        const capture::HookPlan& plan) {
    std::ifstream executable("/proc/self/exe", std::ios::binary | std::ios::ate);
    std::string bytes(static_cast<std::size_t>(std::max<std::streamoff>(executable.tellg(), 0)), 0);
    executable.seekg(0).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    const Digest digest = hash(Algorithm::kSha256, as_bytes(bytes));
    records::DaemonIdentity identity{
        .version = KEYSCRIBE_VERSION,
        .controller_digest = {digest.bytes.begin(), digest.bytes.begin() + digest.size},
        .bpf_digest = capture::object_digest(),
        .kernel = kernel.release,
        .boot_id = boot_id(),
        .hooks = {}};
    for (const capture::Hook& hook : plan) identity.hooks[hook.operations] = hook.attach_point;
    return identity;
}

status::Status initial_status(const capture::KernelFeatures& kernel, const capture::HookPlan& plan,
                              unsigned pcr) {
    status::Status status;
    status.version = KEYSCRIBE_VERSION;
    status.kernel = kernel.release;
    status.boot_id = boot_id();
    for (const capture::Hook& hook : plan)
        status.hooks.push_back({hook.operations, hook.attach_point, hook.why});
    status.tpm.pcr = pcr;
    const std::time_t now = std::time(nullptr);
    char text[32];
    std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
    status.since = text;
    return status;
}

}  // namespace keyscribe::daemon
