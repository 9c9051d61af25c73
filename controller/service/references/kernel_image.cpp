// SPDX-License-Identifier: Apache-2.0
#include "controller/service/references/kernel_image.h"

#include <cstring>

#include "controller/base/little_endian.h"
#include "controller/service/references/decompress.h"
#include "controller/service/references/pe_file.h"

namespace keyscribe::references {
namespace {

/// A UKI that holds a zboot file that holds an Image: nothing is packed deeper.
constexpr int kDeepestKernel = 4;

bool has(Bytes content, std::size_t at, std::string_view text) {
    return content.size() >= at + text.size() && as_text(content.subspan(at, text.size())) == text;
}

bool is_elf(Bytes content) {
    return has(content, 0,
               "\x7f"
               "ELF");
}

/// Linux, Documentation/arch/x86/boot.rst: 0x202 the magic, 0x206 the protocol, which has the
/// payload since 2.08.
bool is_bzimage(Bytes content) {
    return content.size() > 0x250 && has(content, 0x202, "HdrS") &&
           (content[0x206] | content[0x207] << 8) >= 0x208;
}

/// Linux, Documentation/arch/arm64/booting.rst.
bool is_arm64_image(Bytes content) { return content.size() > 64 && has(content, 0x38, "ARM\x64"); }

/// Linux, drivers/firmware/efi/libstub/zboot-header.S.
bool is_zboot(Bytes content) {
    return content.size() > 64 && has(content, 0, "MZ") && has(content, 4, "zimg");
}

Result<KernelContent> unpack(Bytes content, const std::string& where, int depth);

/// The payload, unpacked, with `form` before what it turned out to be.
Result<KernelContent> unpack_payload(Bytes payload, const std::string& form, std::uint32_t expected,
                                     const std::string& where) {
    auto image = decompress(payload, kMostImage, where);
    if (!image) return std::unexpected(image.error());
    if (image->size() != expected)
        return fail("its payload has " + std::to_string(image->size()) + " bytes, and " +
                        std::to_string(expected) + " by its own account",
                    where);
    return KernelContent{std::move(*image),
                         form + " (" + std::string(compression_of(payload)) + ")"};
}

Result<KernelContent> unpack_bzimage(Bytes content, const std::string& where) {
    const std::size_t sectors = content[0x1f1] == 0 ? 4 : content[0x1f1];
    const std::size_t offset = load_le32(content.data() + 0x248);
    const std::size_t size = load_le32(content.data() + 0x24c);
    const std::size_t begin = (sectors + 1) * 512;
    if (begin > content.size() || offset > content.size() - begin ||
        size > content.size() - begin - offset || size < 8)
        return fail("a bzImage whose payload is cut short", where);
    Bytes payload = content.subspan(begin + offset, size);
    // The build appends the size to all but gzip, which ends with it anyway.
    const std::uint32_t expected = load_le32(payload.data() + size - 4);
    if (compression_of(payload) != "gzip") payload = payload.first(size - 4);
    auto unpacked = unpack_payload(payload, "bzImage", expected, where);
    if (unpacked && !is_elf(unpacked->image))
        return fail("a bzImage whose payload is no ELF file", where);
    return unpacked;
}

Result<KernelContent> unpack_zboot(Bytes content, const std::string& where, int depth) {
    const std::size_t offset = load_le32(content.data() + 8);
    const std::size_t size = load_le32(content.data() + 12);
    if (offset > content.size() || size > content.size() - offset)
        return fail("a zboot file whose payload is cut short", where);
    const Bytes payload = content.subspan(offset, size);
    const auto image = decompress(payload, kMostImage, where);
    if (!image) return std::unexpected(image.error());
    auto unpacked = unpack(*image, where, depth);
    if (unpacked)
        unpacked->form = "zboot (" + std::string(compression_of(payload)) + "): " + unpacked->form;
    return unpacked;
}

Result<KernelContent> unpack(Bytes content, const std::string& where, int depth) {
    if (depth == 0) return fail("packed more often than any kernel is", where);
    if (is_elf(content)) return KernelContent{{content.begin(), content.end()}, "vmlinux"};
    if (is_bzimage(content)) return unpack_bzimage(content, where);
    if (is_zboot(content)) return unpack_zboot(content, where, depth - 1);
    if (is_arm64_image(content)) {
        // A signature's certificates are not the kernel's.
        if (const auto pe = read_pe_file(content, where)) content = pe->unsigned_part;
        return KernelContent{{content.begin(), content.end()}, "arm64 Image"};
    }
    if (const Bytes kernel = linux_of_uki(content); !kernel.empty()) {
        auto unpacked = unpack(kernel, where + ", section .linux", depth - 1);
        if (unpacked) unpacked->form = "UKI: " + unpacked->form;
        return unpacked;
    }
    if (const std::string_view compression = compression_of(content); !compression.empty()) {
        const auto plain = decompress(content, kMostImage, where);
        if (!plain) return std::unexpected(plain.error());
        auto unpacked = unpack(*plain, where, depth - 1);
        if (unpacked) unpacked->form += " (" + std::string(compression) + ")";
        return unpacked;
    }
    return fail("not a kernel", where,
                "expected is a vmlinuz, vmlinux, bzImage, Image, or a UKI with a kernel in it");
}

}  // namespace

Bytes linux_of_uki(Bytes content) {
    if (!is_pe_file(content) || is_bzimage(content) || is_arm64_image(content)) return {};
    const auto file = read_pe_file(content, {});
    const PeSection* section = file ? file->section(".linux") : nullptr;
    return section != nullptr ? section->content : Bytes();
}

bool is_kernel(Bytes content) {
    return is_elf(content) || is_bzimage(content) || is_arm64_image(content) || is_zboot(content) ||
           !compression_of(content).empty() || !linux_of_uki(content).empty();
}

Result<KernelContent> unpack_kernel(Bytes content, const std::string& where) {
    return unpack(content, where, kDeepestKernel);
}

}  // namespace keyscribe::references
