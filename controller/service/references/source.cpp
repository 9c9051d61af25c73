// SPDX-License-Identifier: Apache-2.0
#include "controller/service/references/source.h"

#include <algorithm>
#include <filesystem>

#include "controller/base/mapped_file.h"
#include "controller/service/appraise/certificate_file.h"
#include "controller/service/appraise/efi_signatures.h"
#include "controller/service/references/built_in.h"
#include "controller/service/references/decompress.h"
#include "controller/service/references/firmware_source.h"
#include "controller/service/references/golden_host.h"
#include "controller/service/references/kernel_image.h"
#include "controller/service/references/package.h"
#include "controller/service/references/pe_file.h"

namespace keyscribe::references {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNamedHint =
    "say which variable it is for: db=FILE, dbx=FILE, mok=FILE or mokx=FILE; a certificate for "
    "another "
    "keyring belongs into the folder of that keyring's name as it is";

/// Files of this size at most are read: a package of a kernel with debug information has 1 GB.
constexpr std::uintmax_t kMostFile = std::uintmax_t{4} << 30;

/// The kernels of one package, unpacked: a hundred KB can have been made of each 512 MiB.
constexpr std::size_t kMostImages = std::size_t{1} << 30;

void take_run(const CertificateRun& run, const std::vector<std::string>& keyrings,
              const char* source, const std::string& where, Findings& to) {
    std::size_t at = run.offset;
    for (const Bytes der : run.certificates) {
        to.certificates.push_back(
            {{der.begin(), der.end()},
             keyrings,
             source,
             where + ", byte " + std::to_string(at) + " of the unpacked image"});
        at += der.size();
    }
}

/// A kernel image of which the firmware's log may tell: by its own digests.
KernelImage image_of(Bytes content, const std::string& name, const std::string& form,
                     const BuiltIn& built_in) {
    KernelImage image{name, form, sha256(content), {}, {}};
    if (const auto pe = read_pe_file(content, name)) image.sha256_authenticode = pe->authenticode;
    for (const Bytes der : built_in.trusted.certificates)
        image.certificates.emplace_back(der.begin(), der.end());
    return image;
}

Result<void> take_signatures(Bytes content, const std::string& where, Findings& to) {
    auto signatures = read_authenticode(content, where);
    if (!signatures) return std::unexpected(signatures.error());
    for (FileSignature& signature : *signatures)
        to.signed_files.push_back({where, std::move(signature)});
    return {};
}

/// `left`: how many bytes of images may still be unpacked of the source.
Result<void> take_kernel(Bytes content, const std::string& where, std::size_t& left, Findings& to) {
    const auto kernel = unpack_kernel(content, where);
    if (!kernel) return std::unexpected(kernel.error());
    if (kernel->image.size() > left)
        return fail(
            "kernels of more than " + std::to_string(kMostImages >> 20) + " MiB come of one source",
            where);
    left -= kernel->image.size();
    const auto built_in = find_built_in(kernel->image, where);
    if (!built_in) return std::unexpected(built_in.error());
    take_run(built_in->trusted, {".builtin_trusted_keys"}, "kernel, built in", where, to);
    if (built_in->revoked)
        take_run(*built_in->revoked, {".blacklist"}, "kernel, revoked", where, to);
    for (const CertificateRun& run : built_in->others)
        take_run(run, {}, "kernel, in neither of its lists", where, to);
    for (const std::string& digest : built_in->revoked_hashes)
        to.revocations.push_back({digest, "kernel, revoked", where});
    to.kernel_images.push_back(image_of(content, where, kernel->form, *built_in));
    if (const Bytes linux = linux_of_uki(content); !linux.empty())
        to.kernel_images.push_back(
            image_of(linux, where + ", section .linux", kernel->form, *built_in));
    return is_pe_file(content) ? take_signatures(content, where, to) : Result<void>();
}

Result<void> take_kernel(Bytes content, const std::string& where, Findings& to) {
    std::size_t left = kMostImages;
    return take_kernel(content, where, left, to);
}

/// False: no kernel is in it.
Result<bool> take_package(Bytes content, const std::string& file, Findings& to) {
    std::size_t left = kMostImages;
    const auto kernels = for_each_kernel(content, file, [&](const PackagedFile& kernel) {
        return take_kernel(kernel.content, file + ", " + kernel.name, left, to);
    });
    if (!kernels) return std::unexpected(kernels.error());
    return *kernels != 0;
}

Result<void> take_module(Bytes content, const std::string& file, Findings& to) {
    auto signature = read_module_signature(content, file);
    if (!signature) return std::unexpected(signature.error());
    to.signed_files.push_back({file, std::move(*signature)});
    return {};
}

/// EFI signature lists by themselves: those of digests alone revoke what they name.
Result<void> take_lists(Bytes content, const std::string& file, Findings& to) {
    Findings found;
    if (auto taken = take_variable(content, Variable::kDbx, file, found); !taken) return taken;
    if (!found.certificates.empty())
        return fail("an EFI signature list with certificates, which may be db's as well as dbx's",
                    file, std::string(kNamedHint));
    std::ranges::move(found.revocations, std::back_inserter(to.revocations));
    std::ranges::move(found.notes, std::back_inserter(to.notes));
    return {};
}

/// An EFI program that is no kernel.
Result<void> take_program(Bytes content, const std::string& file, Findings& to) {
    const std::size_t before = to.signed_files.size();
    if (auto taken = take_signatures(content, file, to); !taken) return taken;
    if (to.signed_files.size() == before)
        return fail("an EFI program that is neither a kernel nor signed", file);
    return {};
}

bool may_be_evidence(Bytes content) {
    constexpr std::uint8_t kMap = 0xa0, kAfterMaps = 0xc0;  // CBOR's major type 5
    return !content.empty() &&
           (content[0] == '{' || (content[0] >= kMap && content[0] < kAfterMaps));
}

/// Whether a folder's file is a source at all; what is none is left out there. What is compressed
/// and what is ELF may be anything: there the name decides.
bool is_source(Bytes content, const fs::path& path) {
    const std::string name = path.filename().string();
    if (is_package(content) || has_module_signature(content) || is_pe_file(content) ||
        appraise::is_efi_signatures(content))
        return true;
    return is_kernel(content) && (is_kernel_name(name) || name.find(".ko.") != name.npos);
}

Result<std::vector<fs::path>> files_of(const fs::path& folder) {
    std::vector<fs::path> files;
    std::error_code code;
    for (fs::recursive_directory_iterator entry(folder, code), end; !code && entry != end;
         entry.increment(code))
        if (entry->is_regular_file(code)) files.push_back(entry->path());
    if (code) return fail("cannot read the folder: " + code.message(), folder.string());
    std::ranges::sort(files);
    return files;
}

Result<MappedFile> open(const fs::path& path) { return MappedFile::open(path, kMostFile); }

Result<void> take_folder(const fs::path& folder, Findings& to, const OnFile& on_file) {
    const auto files = files_of(folder);
    if (!files) return std::unexpected(files.error());
    std::size_t taken = 0, without_kernel = 0, others = 0;
    std::size_t number = 0;
    for (const fs::path& path : *files) {
        if (on_file) on_file(++number, files->size(), path.string());
        const auto file = open(path);
        if (!file) return std::unexpected(file.error());
        if (!is_source(file->bytes(), path)) {
            ++others;
            continue;
        }
        if (is_package(file->bytes())) {
            // Of a kernel's packages one alone has the image.
            const auto with_kernel = take_package(file->bytes(), path.string(), to);
            if (!with_kernel) return std::unexpected(with_kernel.error());
            ++(*with_kernel ? taken : without_kernel);
            continue;
        }
        if (auto read = read_file_source(file->bytes(), path.string(), to); !read) return read;
        ++taken;
    }
    if (taken == 0)
        return fail("no source of reference values is in it", folder.string(),
                    "expected are kernels, packages with kernels, signed files, or efivarfs");
    if (without_kernel + others != 0)
        to.notes.push_back(folder.string() + ": left out were " + std::to_string(without_kernel) +
                           " packages without a kernel, and " + std::to_string(others) +
                           " other files");
    return {};
}

}  // namespace

Result<void> read_file_source(Bytes content, const std::string& file, Findings& to) {
    if (content.empty()) return fail("the file is empty", file);
    if (is_package(content)) {
        const auto with_kernel = take_package(content, file, to);
        if (!with_kernel) return std::unexpected(with_kernel.error());
        if (*with_kernel) return {};
        return fail("a package without a kernel", file,
                    "Debian's kernels are in linux-image-VERSION or linux-binary-VERSION, Fedora's "
                    "in kernel-core");
    }
    if (has_module_signature(content)) return take_module(content, file, to);
    if (!compression_of(content).empty()) {
        const auto plain = decompress(content, kMostImage, file);
        if (!plain) return std::unexpected(plain.error());
        if (has_module_signature(*plain)) return take_module(*plain, file, to);
        return take_kernel(content, file, to);
    }
    if (const auto variable = efivarfs_variable(file))
        return take_variable(content, *variable, file, to);
    if (appraise::is_efi_signatures(content)) return take_lists(content, file, to);
    if (is_kernel(content)) return take_kernel(content, file, to);
    if (is_pe_file(content)) return take_program(content, file, to);
    if (const auto read = appraise::read_certificate_file(content, file);
        read && !(read->certificates.empty() && read->public_keys.empty()))
        return fail("certificates without a keyring", file, std::string(kNamedHint));
    if (may_be_evidence(content)) return take_golden_host(content, file, to);
    return fail("not a source of reference values", file,
                "expected is a kernel, a package with one, efivarfs, a signed file, or evidence");
}

Result<void> read_source(const std::string& source, Findings& to, const OnFile& on_file) {
    std::error_code code;
    if (const std::size_t equals = source.find('='); equals != source.npos)
        if (const auto variable = variable_named(std::string_view(source).substr(0, equals))) {
            const auto file = open(source.substr(equals + 1));
            if (!file) return std::unexpected(file.error());
            return take_variable(file->bytes(), *variable, source.substr(equals + 1), to);
        }
    if (fs::is_directory(source, code))
        return is_efivarfs(source) ? take_efivarfs(source, to) : take_folder(source, to, on_file);
    const auto file = open(source);
    if (!file) return std::unexpected(file.error());
    return read_file_source(file->bytes(), source, to);
}

}  // namespace keyscribe::references
