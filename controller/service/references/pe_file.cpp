// SPDX-License-Identifier: Apache-2.0
#include "controller/service/references/pe_file.h"

#include <openssl/evp.h>

#include <algorithm>

#include "controller/base/little_endian.h"
#include "controller/service/appraise/openssl.h"

namespace keyscribe::references {
namespace {

constexpr std::size_t kPeOffset = 0x3c;        // e_lfanew
constexpr std::size_t kCoff = 4;               // behind "PE\0\0"
constexpr std::size_t kOptional = kCoff + 20;  // behind the COFF header
constexpr std::size_t kCheckSum = kOptional + 64;
constexpr std::size_t kSectionHeader = 40;
constexpr std::size_t kDirectory = 8;
constexpr std::uint32_t kCertificates = 4;  // IMAGE_DIRECTORY_ENTRY_SECURITY

std::uint16_t load_le16(const std::uint8_t* from) {
    return static_cast<std::uint16_t>(from[0] | from[1] << 8);
}

std::unexpected<Error> damaged(const char* what, const std::string& where) {
    return fail(std::string("a PE file that is damaged: ") + what, where);
}

/// Where the parts of the headers stand, checked against the file's size.
struct Layout {
    std::size_t checksum = 0;   ///< 4 bytes, which no digest covers
    std::size_t directory = 0;  ///< the certificate table's entry, likewise; 0: none
    std::size_t sections = 0, section_count = 0;
    std::size_t headers = 0;                ///< SizeOfHeaders
    std::size_t table = 0, table_size = 0;  ///< the certificate table, in the file
};

Result<Layout> layout_of(Bytes content, const std::string& where) {
    const std::size_t pe = load_le32(content.data() + kPeOffset);
    const std::uint8_t* at = content.data() + pe;
    Layout layout;
    layout.checksum = pe + kCheckSum;
    layout.section_count = load_le16(at + kCoff + 2);
    const std::size_t optional_size = load_le16(at + kCoff + 16);
    layout.sections = pe + kOptional + optional_size;
    if (layout.sections + layout.section_count * kSectionHeader > content.size())
        return damaged("its headers are cut short", where);
    const std::uint16_t magic = load_le16(at + kOptional);
    if (magic != 0x10b && magic != 0x20b) return damaged("neither PE32 nor PE32+", where);
    const std::size_t count_at = magic == 0x20b ? 108 : 92;  // NumberOfRvaAndSizes
    if (optional_size < count_at + 4) return damaged("its optional header is cut short", where);
    layout.headers = load_le32(at + kOptional + 60);
    if (layout.headers > content.size() || layout.headers < layout.checksum + 4)
        return damaged("SizeOfHeaders", where);
    layout.table = content.size();
    if (load_le32(at + kOptional + count_at) <= kCertificates) return layout;
    const std::size_t entry = count_at + 4 + kCertificates * kDirectory;
    if (optional_size < entry + kDirectory || layout.headers < pe + kOptional + entry + kDirectory)
        return damaged("its optional header is cut short", where);
    layout.directory = pe + kOptional + entry;
    layout.table = load_le32(content.data() + layout.directory);
    layout.table_size = load_le32(content.data() + layout.directory + 4);
    if (layout.table_size == 0) layout.table = content.size();
    // The digest leaves the table out, so nothing may stand behind it that is loaded.
    if (layout.table < layout.headers || layout.table > content.size() ||
        content.size() - layout.table != layout.table_size)
        return damaged("its certificate table does not end the file", where);
    return layout;
}

Result<void> read_sections(Bytes content, const Layout& layout, const std::string& where,
                           PeFile& file) {
    std::size_t all = 0;
    for (std::size_t i = 0; i < layout.section_count; ++i) {
        const std::uint8_t* at = content.data() + layout.sections + i * kSectionHeader;
        const std::size_t virtual_size = load_le32(at + 8), size = load_le32(at + 16);
        const std::size_t offset = load_le32(at + 20);
        if (size == 0) continue;
        if (offset > content.size() || size > content.size() - offset)
            return damaged("a section leads out of the file", where);
        // 65,535 sections of 4 GiB, end on end, are not digested in anybody's lifetime.
        all += size;
        if (all > content.size()) return damaged("its sections overlap", where);
        std::string name(reinterpret_cast<const char*>(at), 8);
        name.resize(name.find_last_not_of('\0') + 1);
        file.sections.push_back(
            {std::move(name), content.subspan(offset, std::min(size, virtual_size))});
    }
    return {};
}

/// WIN_CERTIFICATE, one behind the other, each at a multiple of eight bytes.
Result<void> read_signatures(Bytes table, const std::string& where, PeFile& file) {
    constexpr std::size_t kHeader = 8;
    constexpr std::uint16_t kPkcsSignedData = 2;
    while (table.size() >= kHeader) {
        const std::size_t length = load_le32(table.data());
        if (length < kHeader || length > table.size())
            return damaged("a signature leads out of the certificate table", where);
        if (load_le16(table.data() + 6) == kPkcsSignedData)
            file.signatures.push_back(table.subspan(kHeader, length - kHeader));
        table = table.subspan(std::min(table.size(), (length + 7) / 8 * 8));
    }
    return {};
}

/// The headers without the checksum and the certificate table's entry; the sections in the order of
/// their offsets; then what is left of the file, as many bytes as were not counted yet. So does
/// EDK2 (HashPeImage), and a file whose sections leave gaps has that digest in PCR 4.
Sha256 authenticode_of(Bytes content, const Layout& layout) {
    const appraise::Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
    EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
    const auto add = [&](std::size_t from, std::size_t to) {
        EVP_DigestUpdate(context.get(), content.data() + from, to - from);
    };
    add(0, layout.checksum);
    const std::size_t behind = layout.checksum + 4;
    if (layout.directory != 0) {
        add(behind, layout.directory);
        add(layout.directory + kDirectory, layout.headers);
    } else {
        add(behind, layout.headers);
    }
    std::vector<std::pair<std::size_t, std::size_t>> parts;
    for (std::size_t i = 0; i < layout.section_count; ++i) {
        const std::uint8_t* at = content.data() + layout.sections + i * kSectionHeader;
        if (load_le32(at + 16) != 0) parts.emplace_back(load_le32(at + 20), load_le32(at + 16));
    }
    std::ranges::sort(parts);
    std::size_t counted = layout.headers;
    for (const auto& [offset, size] : parts) {
        add(offset, offset + size);
        counted += size;
    }
    if (const std::size_t end = layout.table; counted < end) add(counted, end);
    Sha256 digest;
    EVP_DigestFinal_ex(context.get(), digest.data(), nullptr);
    return digest;
}

}  // namespace

const PeSection* PeFile::section(std::string_view name) const {
    const auto found = std::ranges::find(sections, name, &PeSection::name);
    return found == sections.end() ? nullptr : &*found;
}

bool is_pe_file(Bytes content) {
    if (content.size() < kPeOffset + 4 || !as_text(content).starts_with("MZ")) return false;
    const std::size_t pe = load_le32(content.data() + kPeOffset);
    return pe <= content.size() && content.size() - pe > kCheckSum + 4 &&
           as_text(content.subspan(pe, 4)) == std::string_view("PE\0\0", 4);
}

Result<PeFile> read_pe_file(Bytes content, const std::string& where) {
    if (!is_pe_file(content)) return fail("not a PE file", where);
    const auto layout = layout_of(content, where);
    if (!layout) return std::unexpected(layout.error());
    PeFile file;
    file.machine = load_le16(content.data() + load_le32(content.data() + kPeOffset) + kCoff);
    if (auto read = read_sections(content, *layout, where, file); !read)
        return std::unexpected(read.error());
    file.unsigned_part = content.first(layout->table);
    if (layout->table_size != 0)
        if (auto read = read_signatures(content.subspan(layout->table), where, file); !read)
            return std::unexpected(read.error());
    file.authenticode = authenticode_of(content, *layout);
    return file;
}

}  // namespace keyscribe::references
