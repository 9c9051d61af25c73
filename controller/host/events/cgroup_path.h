// SPDX-License-Identifier: Apache-2.0
// From the number by which the kernel knows a cgroup to its path.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>

namespace keyscribe::events {

class CgroupPaths {
  public:
    explicit CgroupPaths(std::filesystem::path root = "/sys/fs/cgroup") : root_(std::move(root)) {}

    /// `id`: the inode number of the cgroup's directory (cgroup v2). The path below the root, as in
    /// /proc/PID/cgroup: "/system.slice/ssh.service". "": it is gone, or never was below the root.
    std::string path(std::uint64_t id);

  private:
    void look();

    std::filesystem::path root_;
    std::unordered_map<std::uint64_t, std::string> paths_;
    std::chrono::steady_clock::time_point looked_at_;
};

}  // namespace keyscribe::events
