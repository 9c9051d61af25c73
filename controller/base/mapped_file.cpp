// SPDX-License-Identifier: Apache-2.0
#include "controller/base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "controller/base/unique_fd.h"

namespace keyscribe::base {
namespace {

constexpr std::size_t kSmall = 64u << 10;

/// All `size` bytes, or fewer where the file has become shorter.
Result<std::vector<std::uint8_t>> read_all(int fd, std::size_t size,
                                           const std::filesystem::path& path) {
    std::vector<std::uint8_t> bytes(size);
    std::size_t done = 0;
    while (done < size) {
        const ssize_t count = ::read(fd, bytes.data() + done, size - done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno("cannot read the file", path.string());
        if (count == 0) break;
        done += static_cast<std::size_t>(count);
    }
    bytes.resize(done);
    return bytes;
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
    // A FIFO would block the open itself.
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return fail_errno("cannot open the file", path.string());
    struct stat about{};
    if (::fstat(fd.get(), &about) != 0) return fail_errno("cannot look at the file", path.string());
    if (!S_ISREG(about.st_mode)) return fail("not a regular file", path.string());
    const auto size = static_cast<std::size_t>(about.st_size);
    if (size <= kSmall) {
        auto bytes = read_all(fd.get(), size, path);
        if (!bytes) return std::unexpected(bytes.error());
        return MappedFile(std::move(*bytes));
    }
    void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (memory == MAP_FAILED) return fail_errno("cannot map the file", path.string());
    return MappedFile(Bytes(static_cast<const std::uint8_t*>(memory), size));
}

MappedFile::~MappedFile() {
    if (read_.empty() && !bytes_.empty())
        ::munmap(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size());
}

}  // namespace keyscribe::base
