// SPDX-License-Identifier: Apache-2.0
#include "controller/base/mapped_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "controller/base/unique_fd.h"

namespace keyscribe::base {
namespace {

constexpr std::size_t kBlock = 64u << 10;

/// Reads until the file's end. `expected` bytes are there by its size.
Result<std::vector<std::uint8_t>> read_all(int fd, std::size_t expected,
                                           const std::filesystem::path& path) {
    // One byte more shows the end without a second block.
    std::vector<std::uint8_t> bytes(expected + 1);
    std::size_t done = 0;
    for (;;) {
        if (done == bytes.size()) bytes.resize(done + std::max(done / 2, kBlock));
        const ssize_t count = ::read(fd, bytes.data() + done, bytes.size() - done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno("cannot read the file", path.string());
        if (count == 0) break;
        done += static_cast<std::size_t>(count);
    }
    bytes.resize(done);
    return bytes;
}

bool same(const timespec& left, const timespec& right) {
    return left.tv_sec == right.tv_sec && left.tv_nsec == right.tv_nsec;
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path, std::uintmax_t most) {
    // A FIFO would block the open itself.
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return fail_errno("cannot open the file", path.string());
    struct stat before{}, after{};
    if (::fstat(fd.get(), &before) != 0)
        return fail_errno("cannot look at the file", path.string());
    if (!S_ISREG(before.st_mode)) return fail("not a regular file", path.string());
    if (std::cmp_greater(before.st_size, most))
        return fail("the file has more than " + std::to_string(most >> 20) + " MiB", path.string());
    auto bytes = read_all(fd.get(), static_cast<std::size_t>(before.st_size), path);
    if (!bytes) return std::unexpected(bytes.error());
    if (::fstat(fd.get(), &after) != 0) return fail_errno("cannot look at the file", path.string());
    const bool whole = before.st_size == 0 || std::cmp_equal(bytes->size(), before.st_size);
    if (!whole || after.st_size != before.st_size || !same(before.st_mtim, after.st_mtim))
        return fail("the file changed while it was read", path.string(),
                    "try again when nobody writes to it");
    return MappedFile(std::move(*bytes));
}

}  // namespace keyscribe::base
