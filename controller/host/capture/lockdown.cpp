// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/lockdown.h"

#include <fstream>

namespace keyscribe::capture {

Result<std::string> check_lockdown(const std::filesystem::path& file) {
    std::ifstream stream(file);
    std::string level;
    // "none [integrity] confidentiality"
    for (std::string word; stream >> word;)
        if (word.starts_with('[') && word.ends_with(']')) level = word.substr(1, word.size() - 2);
    if (level == "confidentiality")
        return fail(
            "the kernel is locked down for confidentiality: it lets no BPF program read its "
            "memory, so that nothing can be recorded",
            file.string(),
            "boot with lockdown=integrity, which is what Secure Boot asks for, or without "
            "lockdown=");
    return level;
}

}  // namespace keyscribe::capture
