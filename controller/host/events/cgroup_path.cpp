// SPDX-License-Identifier: Apache-2.0
#include "controller/host/events/cgroup_path.h"

#include <sys/stat.h>

namespace keyscribe::events {
namespace {

/// Whoever makes cgroups by the thousand must not make us walk all of them for each event.
constexpr auto kPause = std::chrono::milliseconds(50);
constexpr std::size_t kMost = 65536;

}  // namespace

void CgroupPaths::look() {
    namespace fs = std::filesystem;
    looked_at_ = std::chrono::steady_clock::now();
    if (paths_.size() >= kMost) paths_.clear();
    const auto note = [this](const fs::path& directory) {
        struct stat status{};
        if (::stat(directory.c_str(), &status) != 0) return;
        const std::string below = directory.native().substr(root_.native().size());
        paths_[status.st_ino] = below.empty() ? "/" : below;
    };
    note(root_);
    std::error_code error;
    for (fs::recursive_directory_iterator entry(root_, error), end;
         !error && entry != end && paths_.size() < kMost; entry.increment(error))
        if (entry->is_directory(error)) note(entry->path());
}

std::string CgroupPaths::path(std::uint64_t id) {
    auto found = paths_.find(id);
    if (found == paths_.end() && std::chrono::steady_clock::now() - looked_at_ > kPause) {
        look();
        found = paths_.find(id);
    }
    return found == paths_.end() ? "" : found->second;
}

}  // namespace keyscribe::events
