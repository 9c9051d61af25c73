// SPDX-License-Identifier: Apache-2.0
#include "controller/service/references/decompress.h"

#include <algorithm>
#include <array>

#include "controller/service/references/archive.h"

namespace keyscribe::references {
namespace {

struct Magic {
    std::string_view begin, name;
};
using namespace std::string_view_literals;
constexpr std::array kMagics{
    Magic{"\x1f\x8b\x08"sv, "gzip"},
    Magic{"\xfd"
          "7zXZ\0"sv,
          "xz"},
    Magic{"\x28\xb5\x2f\xfd"sv, "zstd"},
    Magic{"\x02\x21\x4c\x18"sv, "lz4"},  // the legacy frame, which the kernel's build makes
    Magic{"\x04\x22\x4d\x18"sv, "lz4"},
    Magic{"\x89LZO\0\r\n\x1a\n"sv, "lzo"},
    Magic{"BZh"sv, "bzip2"},
    Magic{"\x5d\0\0"sv, "lzma"},
};

/// A reader of one layer of compression, at the first byte.
Result<Archive> open_compressed(Bytes content, const std::string& where) {
    const std::string name(compression_of(content));
    if (name.empty()) return fail("not compressed in a way that is known", where);
    Archive reader(archive_read_new());
    undo_compression(reader.get());
    archive_read_support_format_raw(reader.get());
    archive_entry* entry = nullptr;
    if (archive_read_open_memory(reader.get(), content.data(), content.size()) != ARCHIVE_OK ||
        archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK)
        return archive_failed("cannot undo the compression with " + name, where, reader.get());
    // The compression and libarchive's own "none".
    if (archive_filter_count(reader.get()) != 2)
        return fail("compressed more than once, or not with " + name, where);
    return reader;
}

}  // namespace

std::string_view compression_of(Bytes content) {
    const auto found = std::ranges::find_if(
        kMagics, [&](const Magic& magic) { return as_text(content).starts_with(magic.begin); });
    return found == kMagics.end() ? std::string_view() : found->name;
}

Result<std::vector<std::uint8_t>> decompress(Bytes content, std::size_t most,
                                             const std::string& where) {
    const auto reader = open_compressed(content, where);
    if (!reader) return std::unexpected(reader.error());
    std::vector<std::uint8_t> plain;
    std::vector<std::uint8_t> buffer(std::size_t{1} << 20);
    for (;;) {
        const la_ssize_t got = archive_read_data(reader->get(), buffer.data(), buffer.size());
        if (got < 0)
            return archive_failed(
                "cannot undo the compression with " + std::string(compression_of(content)), where,
                reader->get());
        if (got == 0) break;
        if (static_cast<std::size_t>(got) > most - plain.size())
            return fail("more than " + std::to_string(most >> 20) + " MiB come of it", where,
                        "no kernel is that large");
        plain.insert(plain.end(), buffer.begin(), buffer.begin() + got);
    }
    return plain;
}

std::vector<std::uint8_t> beginning_of(Bytes content, std::size_t size) {
    const auto reader = open_compressed(content, {});
    if (!reader) return {};
    std::vector<std::uint8_t> plain(size);
    const la_ssize_t got = archive_read_data(reader->get(), plain.data(), size);
    plain.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return plain;
}

}  // namespace keyscribe::references
