// SPDX-License-Identifier: Apache-2.0
#include "controller/base/output_file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <deque>
#include <utility>

namespace keyscribe::base {
namespace {

/// Error: something stands there that a file cannot take the place of.
Result<void> check_place(const UniqueFd& folder, const std::filesystem::path& path) {
    struct stat there{};
    if (::fstatat(folder.get(), path.filename().c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) return {};
        return fail_errno("cannot write the file", path.string());
    }
    if (S_ISREG(there.st_mode)) return {};
    return fail(S_ISLNK(there.st_mode) ? "a link stands where the file should be written"
                                       : "what stands where the file should be written is no file",
                path.string(), "name another place; - is the standard output");
}

/// The folder that `file` is to stand in. Links on the way count where root made them, or who runs
/// this: another user's would have root write where that one may not. What is looked at is what is
/// opened, so that nothing can be changed in between.
Result<UniqueFd> open_folder_of(const std::filesystem::path& file) {
    constexpr int kMostLinks = 40;  // MAXSYMLINKS of the kernel
    const std::filesystem::path path = file.parent_path();
    const auto fail_here = [&] { return fail_errno("cannot write the file", file.string()); };
    const auto begin = [](const std::filesystem::path& at) {
        return UniqueFd(::open(at.is_absolute() ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    };
    UniqueFd folder = begin(path);
    if (!folder) return fail_here();
    std::deque<std::filesystem::path> left(path.begin(), path.end());
    for (int links = 0; !left.empty();) {
        const auto name = left.front();
        left.pop_front();
        if (name.empty() || name == "/" || name == ".") continue;
        UniqueFd next(::openat(folder.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        struct stat there{};
        if (!next || ::fstat(next.get(), &there) != 0) return fail_here();
        if (S_ISLNK(there.st_mode)) {
            if (there.st_uid != 0 && there.st_uid != ::geteuid())
                return fail("another user's link stands on the way to the file: " + name.string(),
                            file.string(), "name the folder that it leads to, if that is meant");
            std::array<char, 4096> target;
            const ssize_t size = ::readlinkat(next.get(), "", target.data(), target.size());
            if (size < 0 || ++links > kMostLinks) {
                if (size >= 0) errno = ELOOP;
                return fail_here();
            }
            const std::filesystem::path to(
                std::string_view(target.data(), static_cast<std::size_t>(size)));
            if (to.is_absolute()) folder = begin(to);
            left.insert(left.begin(), to.begin(), to.end());
        } else if (S_ISDIR(there.st_mode)) {
            folder = std::move(next);
        } else {
            errno = ENOTDIR;
            return fail_here();
        }
    }
    return folder;
}

}  // namespace

Result<OutputFile> OutputFile::create(const std::filesystem::path& path, mode_t mode) {
    OutputFile output;
    output.path_ = path;
    auto opened = open_folder_of(path);
    if (!opened) return std::unexpected(opened.error());
    output.folder_ = std::move(*opened);
    if (auto good = check_place(output.folder_, path); !good) return std::unexpected(good.error());

    std::array<std::uint8_t, 8> random;
    if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
        return fail_errno("cannot make up a file's name", "getrandom(2)");
    const std::string fresh = ".keyscribe-" + to_hex(random);
    output.file_ = UniqueFd(::openat(output.folder_.get(), fresh.c_str(),
                                     O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
    if (!output.file_) return fail_errno("cannot write the file", path.string());
    output.fresh_ = fresh;
    return output;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : folder_(std::move(other.folder_)),
      file_(std::move(other.file_)),
      path_(std::move(other.path_)),
      fresh_(std::exchange(other.fresh_, {})) {}

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
    std::swap(folder_, other.folder_);
    std::swap(file_, other.file_);
    std::swap(path_, other.path_);
    std::swap(fresh_, other.fresh_);
    return *this;
}

OutputFile::~OutputFile() {
    if (!fresh_.empty()) ::unlinkat(folder_.get(), fresh_.c_str(), 0);
}

Result<void> OutputFile::write(Bytes bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(file_.get(), bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno("cannot write the file", path_.string());
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return {};
}

Result<void> OutputFile::put_into_place() {
    if (::renameat(folder_.get(), fresh_.c_str(), folder_.get(), path_.filename().c_str()) != 0)
        return fail_errno("cannot write the file", path_.string());
    fresh_.clear();
    return {};
}

Result<void> write_file(const std::filesystem::path& path, Bytes bytes, mode_t mode) {
    auto file = OutputFile::create(path, mode);
    if (!file) return std::unexpected(file.error());
    if (auto done = file->write(bytes); !done) return done;
    return file->put_into_place();
}

}  // namespace keyscribe::base
