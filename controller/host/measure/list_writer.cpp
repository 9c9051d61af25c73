// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/list_writer.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <cstdio>

#include "controller/base/fault_point.h"
#include "controller/base/little_endian.h"
#include "controller/list/template_format.h"

namespace keyscribe::measure {
namespace {

constexpr std::size_t kSha1Size = 20;
/// The text form has two characters for a byte, and the digests once more: 2.2 times as much was
/// seen of small entries.
constexpr std::uint64_t kTextPerBinary = 3;

Result<UniqueFd> open_file(const std::filesystem::path& path) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
    if (!fd) return fail_errno("cannot open the measurement list", path.string());
    return fd;
}

/// Writes at the end, which is `size`; cuts the file back to it where not everything fits.
Result<void> append_whole(const UniqueFd& fd, std::uint64_t size, Bytes bytes,
                          const std::string& path) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t wrote = ::pwrite(fd.get(), bytes.data() + done, bytes.size() - done,
                                       static_cast<off_t>(size + done));
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) {
            const int code = wrote < 0 ? errno : ENOSPC;
            if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0)
                return fail_errno("cannot take back half an entry of the measurement list", path);
            return fail_errno("cannot append to the measurement list", path,
                              "nothing is lost: the event waits and is tried again", code);
        }
        done += static_cast<std::size_t>(wrote);
    }
    return {};
}

Result<std::uint64_t> file_size(const UniqueFd& fd, const std::string& path) {
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) return fail_errno("cannot look at the list", path);
    if (status.st_nlink == 0)
        return fail("the measurement list was removed while it was in use", path,
                    "restart keyscribed: it starts a new list and records that");
    return static_cast<std::uint64_t>(status.st_size);
}

Result<void> check_size(const UniqueFd& fd, std::uint64_t expected, const std::string& path) {
    const auto size = file_size(fd, path);
    if (!size) return std::unexpected(size.error());
    if (*size != expected)
        return fail("the measurement list was changed by somebody else: " + std::to_string(*size) +
                        " bytes instead of " + std::to_string(expected),
                    path, "restart keyscribed: it compares list and PCR");
    return {};
}

bool is_same_file(const UniqueFd& one, const UniqueFd& other) {
    struct stat first{}, second{};
    return ::fstat(one.get(), &first) == 0 && ::fstat(other.get(), &second) == 0 &&
           first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/// The file at `path`: that which is open as `fd`, or a copy of it where another is there or none.
Result<UniqueFd> put_back(const UniqueFd& fd, const std::filesystem::path& path) {
    UniqueFd found(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (found && is_same_file(fd, found)) return found;
    const std::string copy = path.string() + ".rescued";
    UniqueFd to(::open(copy.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
    if (!to) return fail_errno("cannot put the removed measurement list back", copy);
    WipedBytes block(64 << 10);
    for (off_t at = 0;;) {
        const ssize_t got = ::pread(fd.get(), block.data(), block.size(), at);
        if (got < 0) return fail_errno("cannot read the removed measurement list", path);
        if (got == 0) break;
        if (auto done = append_whole(to, static_cast<std::uint64_t>(at),
                                     Bytes(block).first(static_cast<std::size_t>(got)), copy);
            !done)
            return std::unexpected(done.error());
        at += got;
    }
    if (std::rename(copy.c_str(), path.c_str()) != 0)
        return fail_errno("cannot put the removed measurement list back", path);
    return to;
}

}  // namespace

WipedBytes encode_entry(std::uint32_t pcr, std::string_view template_name, Bytes template_data) {
    const Digest digest = hash(Algorithm::kSha1, template_data);
    WipedBytes entry(4 + digest.size + 4 + template_name.size() + 4 + template_data.size());
    std::uint8_t* to = entry.data();
    const auto put = [&to](Bytes bytes) { to = std::copy(bytes.begin(), bytes.end(), to); };
    const auto put_length = [&to](std::size_t value) {
        store_le32(to, static_cast<std::uint32_t>(value));
        to += 4;
    };
    put_length(pcr);
    put(digest);
    put_length(template_name.size());
    put(as_bytes(template_name));
    put_length(template_data.size());
    put(template_data);
    return entry;
}

std::uint64_t encoded_size(std::span<const NewEntry> entries) {
    std::uint64_t size = 0;
    for (const NewEntry& entry : entries)
        size += 4 + kSha1Size + 4 + entry.template_name.size() + 4 + entry.template_data.size();
    return size;
}

std::string escape_name(std::string_view name) {
    std::string text;
    for (const char character : name) {
        const auto byte = static_cast<unsigned char>(character);
        if (byte > ' ' && byte < 0x7f && byte != '\\') {
            text += character;
            continue;
        }
        text += '\\';
        for (const int shift : {6, 3, 0}) text += static_cast<char>('0' + ((byte >> shift) & 7));
    }
    return text;
}

std::string text_line(std::uint32_t pcr, Bytes template_digest, std::string_view template_name,
                      Bytes template_data) {
    std::string line = std::to_string(pcr);
    if (line.size() < 2) line.insert(0, " ");
    line += ' ' + to_hex(template_digest) + ' ' + escape_name(template_name);
    if (const auto fields = list::decode_fields(template_name, template_data); fields) {
        line += ' ';
        if (!fields->type.empty()) line += escape_name(fields->type) + ':';
        line += escape_name(fields->algorithm) + ':' + to_hex(fields->digest) + ' ' +
                escape_name(fields->name);
        // The kernel writes the blank before an empty third field as well.
        for (std::size_t i = 0; i < fields->count; ++i) line += ' ' + to_hex(fields->more[i]);
    }
    line += '\n';
    return line;
}

std::uint64_t share_of_file_system(const std::filesystem::path& directory, unsigned percent) {
    std::error_code error;
    const auto space = std::filesystem::space(directory, error);
    return error || space.capacity == 0 ? UINT64_MAX : space.capacity / 100 * percent;
}

Result<ListFiles> ListFiles::open(const std::filesystem::path& directory) {
    ListFiles files;
    files.directory_ = directory;
    auto binary = open_file(directory / kBinary);
    if (!binary) return std::unexpected(binary.error());
    files.binary_ = std::move(*binary);
    auto size = file_size(files.binary_, directory / kBinary);
    if (!size) return std::unexpected(size.error());
    files.size_ = *size;
    if (!exists(directory / kNoText)) {
        auto text = open_file(directory / kText);
        if (!text) return std::unexpected(text.error());
        files.text_ = std::move(*text);
        auto text_size = file_size(files.text_, directory / kText);
        if (!text_size) return std::unexpected(text_size.error());
        files.text_size_ = *text_size;
    }
    files.changed_ = files.change_times();
    return files;
}

Result<void> ListFiles::choose_text(const std::filesystem::path& directory, bool wanted,
                                    std::uint64_t limit) {
    std::error_code none;
    const auto found = std::filesystem::file_size(directory / kBinary, none);
    const std::uint64_t size = none ? 0 : found;
    // A text that begins in the middle would be taken for one that somebody cut.
    if (size == 0) std::filesystem::remove(directory / kNoText, none);
    if (wanted && size <= limit / (1 + kTextPerBinary)) return {};
    const UniqueFd marker(
        ::open((directory / kNoText).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
    if (!marker) return fail_errno("cannot say that there is no text form", directory / kNoText);
    std::filesystem::remove(directory / kText, none);
    return {};
}

/// Error: the binary form alone has its limit.
Result<void> ListFiles::make_room_for(std::uint64_t binary, std::uint64_t text) {
    if (text_ && size_ + text_size_ + binary + text > limit_) {
        if (auto done = choose_text(directory_, false, limit_); !done) return done;
        spdlog::warn(
            "the measurement list nears its limit of {} MiB: its text form is given up; keyscribe "
            "list --format ima shows it",
            limit_ >> 20);
        text_ = {};
        text_size_ = 0;
    }
    if (size_ + binary <= limit_) return {};
    return fail(
        "the measurement list has reached its limit of " + std::to_string(limit_ >> 20) + " MiB",
        directory_ / kBinary,
        "events wait; keyscribe list says what fills it; make the file system larger, or "
        "raise list.max_share and restart keyscribed");
}

Result<void> ListFiles::append(std::span<const NewEntry> entries) {
    auto untouched = check_size(binary_, size_, directory_ / kBinary);
    if (untouched && text_) untouched = check_size(text_, text_size_, directory_ / kText);
    if (!untouched) return untouched;
    // What we write ourselves would hide it from the next look.
    if (!is_untouched())
        return fail("the measurement list was changed by somebody else", directory_ / kBinary,
                    "it is repaired, and the event tried again");

    WipedBytes binary, text;
    binary.reserve(encoded_size(entries));
    for (const NewEntry& entry : entries) {
        const WipedBytes bytes = encode_entry(entry.pcr, entry.template_name, entry.template_data);
        std::string line = text_line(entry.pcr, Bytes(bytes).subspan(4, kSha1Size),
                                     entry.template_name, entry.template_data);
        binary.insert(binary.end(), bytes.begin(), bytes.end());
        text.insert(text.end(), line.begin(), line.end());
        OPENSSL_cleanse(line.data(), line.size());
    }
    auto done = make_room_for(binary.size(), text.size());
    if (!text_) text.clear();
    if (done) done = write_at_end(binary, text);
    // Also where it was taken back.
    changed_ = change_times();
    if (!done) return done;
    size_ += binary.size();
    text_size_ += text.size();
    tell_who_waits();
    return {};
}

/// Both or neither.
Result<void> ListFiles::write_at_end(Bytes binary, Bytes text) {
    if (text_)
        if (auto done = append_whole(text_, text_size_, text, directory_ / kText); !done)
            return done;
    fault_point("after-list-text");
    auto done = append_whole(binary_, size_, binary, directory_ / kBinary);
    if (!done && text_ && ::ftruncate(text_.get(), static_cast<off_t>(text_size_)) != 0)
        return fail_errno("cannot take back an entry", directory_ / kText);
    return done;
}

/// Where nobody waits this is one open(2) that fails, 2 us a batch.
void ListFiles::tell_who_waits() const {
    const UniqueFd mark(
        ::open((directory_ / kGrown).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
}

Result<WipedBytes> ListFiles::read() const {
    WipedBytes bytes(size_);
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t got = ::pread(binary_.get(), bytes.data() + done, bytes.size() - done,
                                    static_cast<off_t>(done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return fail_errno("cannot read the measurement list", directory_ / kBinary);
        done += static_cast<std::size_t>(got);
    }
    return bytes;
}

Result<UniqueFd> ListFiles::rescue() {
    std::error_code ignored;
    std::filesystem::create_directories(directory_, ignored);
    if (!text_) {
        (void)choose_text(directory_, false, limit_);
    } else if (auto text = put_back(text_, directory_ / kText); !text) {
        return text;
    }
    return put_back(binary_, directory_ / kBinary);
}

bool ListFiles::holds(const UniqueFd& binary) const { return is_same_file(binary_, binary); }

std::array<timespec, 2> ListFiles::change_times() const {
    struct stat binary{}, text{};
    ::fstat(binary_.get(), &binary);
    if (text_) ::fstat(text_.get(), &text);
    return {binary.st_ctim, text.st_ctim};
}

bool ListFiles::is_untouched() const {
    const auto now = change_times();
    const auto same = [](const timespec& one, const timespec& other) {
        return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
    };
    return same(now[0], changed_[0]) && same(now[1], changed_[1]) &&
           check_size(binary_, size_, directory_ / kBinary) &&
           (!text_ || check_size(text_, text_size_, directory_ / kText));
}

}  // namespace keyscribe::measure
