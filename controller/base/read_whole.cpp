// SPDX-License-Identifier: Apache-2.0
#include "controller/base/read_whole.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace keyscribe::base {

Result<WipedBytes> read_whole(const UniqueFd& fd, const std::string& name) {
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) return fail_errno("cannot look at the file", name);
    WipedBytes bytes(static_cast<std::size_t>(status.st_size));
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t got =
            ::pread(fd.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno("cannot read the file", name);
        if (got == 0) break;
        done += static_cast<std::size_t>(got);
    }
    bytes.resize(done);
    return bytes;
}

}  // namespace keyscribe::base
