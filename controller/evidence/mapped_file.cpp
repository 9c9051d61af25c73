// SPDX-License-Identifier: Apache-2.0
#include "controller/evidence/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "controller/unique_fd.h"

namespace keyscribe::evidence {

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
    // A FIFO would block the open itself.
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return fail_errno("cannot open the file", path.string());
    struct stat about {};
    if (::fstat(fd.get(), &about) != 0) return fail_errno("cannot look at the file", path.string());
    if (!S_ISREG(about.st_mode)) return fail("not a regular file", path.string());
    const auto size = static_cast<std::size_t>(about.st_size);
    if (size == 0) return MappedFile({});
    void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (memory == MAP_FAILED) return fail_errno("cannot map the file", path.string());
    return MappedFile({static_cast<const std::uint8_t*>(memory), size});
}

MappedFile::~MappedFile() {
    if (!bytes_.empty()) ::munmap(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size());
}

}  // namespace keyscribe::evidence
