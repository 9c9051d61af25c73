// SPDX-License-Identifier: Apache-2.0
#include "controller/host/daemon/stored_files.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "controller/base/output_file.h"
#include "controller/base/read_whole.h"
#include "controller/base/unique_fd.h"
#include "controller/host/measure/list_writer.h"

namespace keyscribe::daemon {
namespace {

constexpr std::array kNames = {measure::ListFiles::kBinary, measure::ListFiles::kText, "spool"};

/// What the former process stored, by name.
std::map<std::string, UniqueFd> take_stored() {
    char** names = nullptr;
    const int count = ::sd_listen_fds_with_names(1, &names);
    std::map<std::string, UniqueFd> stored;
    for (int i = 0; i < count; ++i) {
        UniqueFd fd(SD_LISTEN_FDS_START + i);
        if (names != nullptr) stored[names[i]] = std::move(fd);
    }
    for (int i = 0; names != nullptr && i < count; ++i) std::free(names[i]);
    std::free(static_cast<void*>(names));
    return stored;
}

}  // namespace

Result<void> StoredFiles::put_back() {
    const auto stored = take_stored();
    for (const char* name : kNames) {
        const auto found = stored.find(name);
        std::error_code none;
        if (found == stored.end() || std::filesystem::exists(directory_ / name, none)) continue;
        const auto bytes = base::read_whole(found->second, name);
        if (!bytes) return std::unexpected(bytes.error());
        const mode_t mode = std::strcmp(name, "spool") == 0 ? 0600 : 0640;
        if (auto done = base::write_file(directory_ / name, *bytes, mode); !done) return done;
        spdlog::warn("{} was removed while no daemon ran, and is put back",
                     (directory_ / name).string());
        // A list that had given its text form up does not begin one in the middle.
        if (name == measure::ListFiles::kBinary && !stored.contains(measure::ListFiles::kText))
            (void)measure::ListFiles::choose_text(directory_, false, 0);
    }
    return {};
}

void StoredFiles::look_after() {
    if (std::getenv("NOTIFY_SOCKET") == nullptr) return;
    for (const std::string name : kNames) {
        struct stat status{};
        const std::string path = directory_ / name;
        if (::stat(path.c_str(), &status) != 0 || stored_[name] == status.st_ino) continue;
        const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
        if (!fd) continue;
        ::sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name.c_str());
        const int descriptor = fd.get();
        ::sd_pid_notify_with_fds(0, 0, ("FDSTORE=1\nFDNAME=" + name).c_str(), &descriptor, 1);
        stored_[name] = status.st_ino;
    }
}

}  // namespace keyscribe::daemon
