// SPDX-License-Identifier: Apache-2.0
#include "controller/service/references/package.h"

#include <algorithm>

#include "controller/service/references/archive.h"
#include "controller/service/references/decompress.h"

namespace keyscribe::references {
namespace {

/// What may come of a package in all: Debian's linux-image has 0.6 GB, one with debug information
/// 6, both some 6 times the package. Of 2 MB somebody else can have made 16 GB, which take minutes.
constexpr std::uint64_t kMostOfPackage = std::uint64_t{16} << 30;
constexpr std::uint64_t kMostOfSmall = std::uint64_t{1} << 30, kMostRatio = 24;

constexpr std::string_view kDeb = "!<arch>\n", kRpm = "\xed\xab\xee\xdb";

bool is_tar(Bytes content) {
    constexpr std::size_t kMagic = 257;
    return content.size() > 512 && as_text(content.subspan(kMagic, 5)) == "ustar";
}

using TakeFile = std::function<Result<void>(const PackagedFile&)>;

/// What is being read.
struct Package {
    archive* reader;
    std::uint64_t most;  ///< bytes that may come of it

    bool is_too_much() const {
        return static_cast<std::uint64_t>(archive_filter_bytes(reader, 0)) > most;
    }
};

std::uint64_t most_of(Bytes package) {
    return std::clamp(kMostRatio * package.size(), kMostOfSmall, kMostOfPackage);
}

std::unexpected<Error> too_much(const Package& package, const std::string& where) {
    return fail("more than " + std::to_string(package.most >> 20) + " MiB come of the package",
                where, "no package with a kernel is packed as tightly");
}

/// Passes over a file's content, of which a hundred MB may be a TB.
Result<void> skip_content(const Package& package, const std::string& where) {
    archive* const reader = package.reader;
    for (;;) {
        const void* block = nullptr;
        std::size_t size = 0;
        la_int64_t offset = 0;
        const int status = archive_read_data_block(reader, &block, &size, &offset);
        if (status == ARCHIVE_EOF) return {};
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
            return archive_failed("a package that is damaged", where, reader);
        if (package.is_too_much()) return too_much(package, where);
    }
}

Result<void> read_content(const Package& package, const std::string& where, PackagedFile& file) {
    archive* const reader = package.reader;
    std::vector<std::uint8_t> buffer(std::size_t{1} << 20);
    for (;;) {
        const la_ssize_t got = archive_read_data(reader, buffer.data(), buffer.size());
        if (got < 0) return archive_failed("a package that is damaged", where, reader);
        if (got == 0) return {};
        if (package.is_too_much()) return too_much(package, where);
        if (file.content.size() + static_cast<std::size_t>(got) > kMostImage)
            return fail("a file that is larger than any kernel", where + ", " + file.name);
        file.content.insert(file.content.end(), buffer.begin(), buffer.begin() + got);
    }
}

/// The files of an archive that was opened.
Result<std::size_t> take_files(const Package& package, const std::string& where,
                               const TakeFile& take) {
    archive* const reader = package.reader;
    std::size_t taken = 0;
    archive_entry* entry = nullptr;
    for (int status = archive_read_next_header(reader, &entry); status != ARCHIVE_EOF;
         status = archive_read_next_header(reader, &entry)) {
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
            return archive_failed("a package that is damaged", where, reader);
        if (package.is_too_much()) return too_much(package, where);
        const char* path = archive_entry_pathname(entry);
        std::string name(path != nullptr ? path : "");
        if (name.starts_with("./")) name.erase(0, 2);
        const bool kernel = archive_entry_filetype(entry) == AE_IFREG &&
                            archive_entry_hardlink(entry) == nullptr && is_kernel_name(name);
        PackagedFile file{std::move(name), {}};
        auto done = kernel ? read_content(package, where, file) : skip_content(package, where);
        if (done && kernel) done = take(file);
        if (!done) return std::unexpected(done.error());
        taken += kernel;
    }
    return taken;
}

/// The member of an ar archive that is being read, as another archive's source.
struct Member {
    archive* outer = nullptr;
    std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(std::size_t{1} << 18);
};

la_ssize_t read_member(archive* inner, void* context, const void** bytes) {
    auto& member = *static_cast<Member*>(context);
    *bytes = member.buffer.data();
    const la_ssize_t got =
        archive_read_data(member.outer, member.buffer.data(), member.buffer.size());
    if (got < 0) archive_set_error(inner, EIO, "%s", "the package is cut short");
    return got;
}

/// deb(5): an ar archive with debian-binary, control.tar*, data.tar*.
Result<std::size_t> take_deb(const Package& package, const std::string& where,
                             const TakeFile& take) {
    archive* const outer = package.reader;
    archive_entry* entry = nullptr;
    for (;;) {
        const int status = archive_read_next_header(outer, &entry);
        if (status == ARCHIVE_EOF) return fail("not a Debian package: no data.tar is in it", where);
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
            return archive_failed("a package that is damaged", where, outer);
        const char* name = archive_entry_pathname(entry);
        if (name != nullptr && std::string_view(name).starts_with("data.tar")) break;
    }
    const Archive inner(archive_read_new());
    undo_compression(inner.get());
    archive_read_support_format_tar(inner.get());
    Member member{outer};
    if (archive_read_open(inner.get(), &member, nullptr, read_member, nullptr) != ARCHIVE_OK)
        return archive_failed("a package that is damaged", where, inner.get());
    return take_files({inner.get(), package.most}, where, take);
}

}  // namespace

bool is_kernel_name(std::string_view name) {
    const std::string_view file = name.substr(name.rfind('/') + 1);
    return file.ends_with(".efi") ||
           std::ranges::any_of(
               std::initializer_list<std::string_view>{"vmlinuz", "vmlinux", "bzImage", "Image"},
               [&](std::string_view begin) { return file.starts_with(begin); });
}

bool is_package(Bytes content) {
    const std::string_view text = as_text(content);
    return text.starts_with(kDeb) || text.starts_with(kRpm) || is_tar(content) ||
           (!compression_of(content).empty() && is_tar(beginning_of(content, 1024)));
}

Result<std::size_t> for_each_kernel(Bytes content, const std::string& where,
                                    const std::function<Result<void>(const PackagedFile&)>& take) {
    const bool deb = as_text(content).starts_with(kDeb);
    const Archive reader(archive_read_new());
    if (deb) {
        archive_read_support_format_ar(reader.get());
    } else {
        undo_compression(reader.get());
        archive_read_support_filter_rpm(reader.get());
        archive_read_support_format_cpio(reader.get());
        archive_read_support_format_tar(reader.get());
    }
    if (archive_read_open_memory(reader.get(), content.data(), content.size()) != ARCHIVE_OK)
        return archive_failed("a package that is damaged", where, reader.get());
    const Package package{reader.get(), most_of(content)};
    return deb ? take_deb(package, where, take) : take_files(package, where, take);
}

}  // namespace keyscribe::references
