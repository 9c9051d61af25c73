// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/list_mender.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "controller/base/read_whole.h"
#include "controller/base/unique_fd.h"
#include "controller/list/list_reader.h"
#include "controller/list/template_data.h"
#include "controller/list/template_format.h"

namespace keyscribe::measure {
namespace {

/// The inverse of escape_name().
std::optional<std::string> unescape_name(std::string_view text) {
    std::string name;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\') {
            name += text[i];
            continue;
        }
        unsigned value = 0;
        const char* at = text.data() + i + 1;
        if (text.size() - i < 4 || std::from_chars(at, at + 3, value, 8).ptr != at + 3 ||
            value > 255)
            return std::nullopt;
        name += static_cast<char>(value);
        i += 3;
    }
    return name;
}

std::string_view next_word(std::string_view& rest) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    const std::string_view word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return word;
}

Result<UniqueFd> open_or_create(const std::filesystem::path& path) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
    if (!fd) return fail_errno("cannot open the measurement list", path.string());
    return fd;
}

/// A file read from its begin to its end, a piece at a time.
class Stream {
  public:
    explicit Stream(const UniqueFd& fd) : fd_(fd.get()) {}

    /// The next `size` bytes, or what is left of them.
    Bytes peek(std::size_t size) {
        while (buffer_.size() - at_ < size) {
            buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(at_));
            at_ = 0;
            const std::size_t before = buffer_.size();
            buffer_.resize(std::max(size, before + kPiece));
            const ssize_t got = ::read(fd_, buffer_.data() + before, buffer_.size() - before);
            buffer_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) break;
        }
        return Bytes(buffer_).subspan(at_, std::min(size, buffer_.size() - at_));
    }
    void skip(std::size_t size) { at_ += size; }

  private:
    static constexpr std::size_t kPiece = 64 << 10;
    int fd_;
    WipedBytes buffer_;
    std::size_t at_ = 0;
};

/// Writes from the first difference on, and cuts off what is behind.
Result<void> make_equal(const UniqueFd& fd, Bytes found, Bytes wanted,
                        const std::filesystem::path& path) {
    if (std::ranges::equal(found, wanted)) return {};
    std::size_t at =
        static_cast<std::size_t>(std::ranges::mismatch(found, wanted).in1 - found.begin());
    while (at < wanted.size()) {
        const ssize_t wrote =
            ::pwrite(fd.get(), wanted.data() + at, wanted.size() - at, static_cast<off_t>(at));
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return fail_errno("cannot repair the measurement list", path.string());
        at += static_cast<std::size_t>(wrote);
    }
    if (::ftruncate(fd.get(), static_cast<off_t>(wanted.size())) != 0)
        return fail_errno("cannot repair the measurement list", path.string());
    return {};
}

/// The entry that begins at `offset`, if its own digest vouches for it.
std::optional<list::Entry> good_entry(Bytes list, std::size_t offset) {
    if (offset >= list.size()) return std::nullopt;
    list::ListReader reader(list.subspan(offset));
    const auto entry = reader.next();
    if (!entry || !*entry || (*entry)->template_name == "ima") return std::nullopt;
    const Digest digest = hash(Algorithm::kSha1, (*entry)->template_data);
    if (!std::ranges::equal(Bytes(digest), (*entry)->stored_digest)) return std::nullopt;
    return **entry;
}

/// The PCR that most lines name.
std::uint32_t usual_pcr(std::string_view text) {
    std::map<std::uint32_t, std::size_t> counts{{0, 0}};
    while (!text.empty()) {
        std::uint32_t pcr = 0;
        std::from_chars(text.data() + (text.front() == ' '), text.data() + text.size(), pcr);
        ++counts[pcr];
        text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
    }
    return std::ranges::max_element(counts, {}, [](const auto& each) { return each.second; })
        ->first;
}

std::string line_of(const list::Entry& entry) {
    return text_line(entry.pcr, entry.stored_digest, entry.template_name, entry.template_data);
}

constexpr std::size_t kLargestEntry = list::kMaxTemplateData + list::kMaxTemplateName + 64;

/// What is left to do where there is no text form: a write is in the list as a whole or not at all.
Result<Mended> mend_binary(const UniqueFd& fd, const std::filesystem::path& path,
                           std::optional<std::uint64_t> before, std::uint64_t after) {
    const auto bytes = base::read_whole(fd, path);
    if (!bytes) return std::unexpected(bytes.error());
    Mended mended;
    std::size_t end = 0;
    while (const auto entry = good_entry(*bytes, end)) end += entry->size;
    mended.size = end;
    if (before && end > *before && end < after) mended.size = *before;
    if (before && mended.size < *before)
        mended.findings.push_back(
            "list: " + std::to_string(*before - mended.size) +
            " bytes of it are gone, and there is no text form to repair it from");
    mended.torn = bytes->size() - mended.size;
    if (auto done = make_equal(fd, *bytes, Bytes(*bytes).first(mended.size), path); !done)
        return std::unexpected(done.error());
    return mended;
}

/// The list's size where both forms are whole and say the same, as they do as a rule: without the
/// copies that mending makes of them. Nothing: there is something to be mended.
std::optional<std::uint64_t> size_of_whole(const UniqueFd& binary_fd, const UniqueFd& text_fd) {
    Stream binary(binary_fd), text(text_fd);
    std::uint64_t size = 0;
    while (!binary.peek(1).empty()) {
        const auto entry = [&]() -> std::optional<list::Entry> {
            // An entry's size is only known once it is all there.
            for (std::size_t piece = 4 << 10;; piece *= 4) {
                const Bytes bytes = binary.peek(piece);
                if (auto good = good_entry(bytes, 0)) return good;
                if (bytes.size() < piece || piece > kLargestEntry) return std::nullopt;
            }
        }();
        if (!entry) return std::nullopt;
        const std::string line = line_of(*entry);
        if (!std::ranges::equal(text.peek(line.size()), as_bytes(line))) return std::nullopt;
        text.skip(line.size());
        binary.skip(entry->size);
        size += entry->size;
    }
    if (!text.peek(1).empty()) return std::nullopt;
    return size;
}

}  // namespace

std::optional<NewEntry> entry_of_line(std::string_view line) {
    if (line.starts_with(' ')) line.remove_prefix(1);  // a PCR of one digit
    NewEntry entry;
    const std::string_view pcr = next_word(line);
    if (pcr.empty() || std::from_chars(pcr.data(), pcr.data() + pcr.size(), entry.pcr).ptr !=
                           pcr.data() + pcr.size())
        return std::nullopt;
    const auto stored = from_hex<WipedBytes>(next_word(line));
    entry.template_name = next_word(line);
    const bool buf = entry.template_name == "ima-buf";
    // The kernel's boot_aggregate has a field for a signature, and none in it.
    const bool unsigned_sig = entry.template_name == "ima-sig";
    if (!stored || (!buf && !unsigned_sig && entry.template_name != "ima-ng")) return std::nullopt;

    const std::string_view digest = next_word(line);
    const std::size_t colon = digest.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const auto algorithm = algorithm_named(digest.substr(0, colon));
    const auto value = from_hex<WipedBytes>(digest.substr(colon + 1));
    const auto name = unescape_name(next_word(line));
    if (!algorithm || !value || !name) return std::nullopt;
    if (buf) {
        const auto bytes = from_hex<WipedBytes>(line);
        if (!bytes) return std::nullopt;
        entry.template_data = list::encode_ima_buf(*name, *bytes);
    } else {
        if (!line.empty()) return std::nullopt;
        entry.template_data = list::encode_ima_ng(*algorithm, *value, *name);
        if (unsigned_sig) entry.template_data.resize(entry.template_data.size() + 4);
    }
    // The line itself has to be the one that the entry gives: a digest that nothing else shows is
    // part of it.
    const Digest actual = hash(Algorithm::kSha1, entry.template_data);
    if (!std::ranges::equal(Bytes(actual), *stored)) return std::nullopt;
    return entry;
}

Result<Mended> mend_list(const std::filesystem::path& directory,
                         std::optional<std::uint64_t> before, std::uint64_t after) {
    auto binary_fd = open_or_create(directory / ListFiles::kBinary);
    if (!binary_fd) return std::unexpected(binary_fd.error());
    if (exists(directory / ListFiles::kNoText))
        return mend_binary(*binary_fd, directory / ListFiles::kBinary, before, after);
    auto text_fd = open_or_create(directory / ListFiles::kText);
    if (!text_fd) return std::unexpected(text_fd.error());
    if (const auto size = size_of_whole(*binary_fd, *text_fd);
        size && (!before || *size == *before || *size >= std::max(*before, after)))
        return Mended{.size = *size};
    const auto binary = base::read_whole(*binary_fd, directory / ListFiles::kBinary);
    if (!binary) return std::unexpected(binary.error());
    const auto text = base::read_whole(*text_fd, directory / ListFiles::kText);
    if (!text) return std::unexpected(text.error());

    Mended mended;
    WipedBytes list, lines;
    std::string_view rest{reinterpret_cast<const char*>(text->data()), text->size()};
    std::size_t good_end = 0;  // of the binary list as it was found
    const std::uint32_t usual = usual_pcr(rest);
    struct Found {
        std::uint64_t first = 0, count = 0;  // entries
    };
    std::map<std::string, Found> findings;
    for (std::uint64_t number = 0;; ++number) {
        // Where something was under way, nothing is anybody's fault.
        const bool settled = before && list.size() < *before;
        const auto finding = [&](const char* what) {
            if (settled && findings[what].count++ == 0) findings[what].first = number;
        };
        const std::size_t newline = rest.find('\n');
        const std::string_view line =
            newline == std::string_view::npos ? std::string_view() : rest.substr(0, newline);
        auto entry = good_entry(*binary, list.size());
        std::string good_line = entry ? line_of(*entry) : std::string();
        std::optional<NewEntry> other;
        if (!entry || good_line.substr(0, good_line.size() - 1) != line)
            other = entry_of_line(line);
        if (!entry && !other) break;

        // Neither the PCR's number nor the template's name is in a digest: what the other entries
        // have, and what makes sense, decides.
        if (entry && other && std::ranges::equal(entry->template_data, other->template_data)) {
            const bool sense =
                list::decode_fields(entry->template_name, entry->template_data).has_value();
            if (entry->pcr != other->pcr ? usual == other->pcr : !sense) entry.reset();
        }
        WipedBytes bytes;
        if (entry) {
            if (line.empty() && newline == std::string_view::npos)
                finding("its text was cut");
            else if (good_line.substr(0, good_line.size() - 1) != line)
                finding("its text was changed and is written anew");
            const Bytes whole = Bytes(*binary).subspan(list.size(), entry->size);
            bytes.assign(whole.begin(), whole.end());
            good_end = list.size() + bytes.size();
        } else {
            finding("it was changed or cut, and is repaired from its text");
            bytes = encode_entry(other->pcr, other->template_name, other->template_data);
            good_line = std::string(line) + '\n';
        }
        list.insert(list.end(), bytes.begin(), bytes.end());
        lines.insert(lines.end(), good_line.begin(), good_line.end());
        rest.remove_prefix(newline == std::string_view::npos ? rest.size() : newline + 1);
        // A commit is in the list as a whole or not at all.
        if (before && list.size() > *before && list.size() < after) continue;
        mended.size = list.size();
    }
    for (const auto& [what, found] : findings)
        mended.findings.push_back("list: " + what + " (" + std::to_string(found.count) +
                                  " entries from " + std::to_string(found.first) + " on)");
    if (before && mended.size < *before)
        mended.findings.push_back("list: " + std::to_string(*before - mended.size) +
                                  " bytes of it are gone and could not be repaired");
    mended.torn = binary->size() > good_end ? binary->size() - good_end : 0;
    if (mended.size < list.size()) {
        mended.torn += list.size() - mended.size;
        list.resize(mended.size);
        // As many lines as there are entries left.
        std::size_t end = 0;
        list::ListReader reader(list);
        for (auto entry = reader.next(); entry && *entry; entry = reader.next())
            end = static_cast<std::size_t>(
                std::find(lines.begin() + static_cast<std::ptrdiff_t>(end), lines.end(), '\n') -
                lines.begin() + 1);
        lines.resize(end);
    }
    if (auto done = make_equal(*binary_fd, *binary, list, directory / ListFiles::kBinary); !done)
        return std::unexpected(done.error());
    if (auto done = make_equal(*text_fd, *text, lines, directory / ListFiles::kText); !done)
        return std::unexpected(done.error());
    return mended;
}

}  // namespace keyscribe::measure
