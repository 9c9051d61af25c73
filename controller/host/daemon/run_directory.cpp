// SPDX-License-Identifier: Apache-2.0
#include "controller/host/daemon/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "controller/host/capture/pins.h"

namespace keyscribe::daemon {
namespace {

Result<void> lock(const UniqueFd& fd, const std::filesystem::path& path) {
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return {};
    // A security module can refuse it, too.
    if (errno != EWOULDBLOCK) return fail_errno("cannot be locked", path.string());
    return fail("another keyscribed is running: it holds a lock", path.string(),
                "stop it first: systemctl stop keyscribed");
}

}  // namespace

Result<RunDirectory> RunDirectory::open(const std::filesystem::path& directory) {
    RunDirectory made;
    made.directory_ = directory;
    const auto bpf = std::filesystem::path(capture::kPinDirectory).parent_path();
    // A host without it has no pins that two daemons could share.
    made.bpf_lock_ = UniqueFd(::open(bpf.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (made.bpf_lock_)
        if (auto done = lock(made.bpf_lock_, bpf); !done) return std::unexpected(done.error());
    if (auto done = made.make(); !done) return std::unexpected(done.error());
    return made;
}

Result<void> RunDirectory::make() {
    std::error_code error;
    std::filesystem::create_directories(directory_, error);
    const auto file = directory_ / "lock";
    lock_ = UniqueFd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!lock_) return fail_errno("cannot open the lock file", file.string());
    return lock(lock_, file);
}

Result<bool> RunDirectory::restore() {
    std::error_code error;
    if (std::filesystem::exists(directory_ / "lock", error) || error) return false;
    if (auto done = make(); !done) return std::unexpected(done.error());
    return true;
}

}  // namespace keyscribe::daemon
