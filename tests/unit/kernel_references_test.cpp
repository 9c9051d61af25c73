// SPDX-License-Identifier: Apache-2.0
// The certificates of a kernel, in each form in which a kernel is shipped, and what must not be
// taken for them. The kernels are made here, as certs/system_certificates.S and the builds' packers
// make them; tests/guest/references.sh has Debian's.
#include <gtest/gtest.h>

#include <algorithm>

#include "controller/base/little_endian.h"
#include "controller/service/references/built_in.h"
#include "controller/service/references/decompress.h"
#include "controller/service/references/kernel_image.h"
#include "controller/service/references/package.h"
#include "controller/service/references/pe_file.h"
#include "controller/service/references/source.h"
#include "support.h"
#include "tests/support/kernel_maker.h"
#include "tests/unit/two_certificates.h"

namespace keyscribe::references {
namespace kernel_references_test {

using testing::Buffer;
using testing::KernelMaker;
using testing::TempDir;
using testing::text_of;
using testing::TwoCertificates;

const Buffer& a() { return TwoCertificates::shared().a; }
const Buffer& b() { return TwoCertificates::shared().b; }

/// "a", "b", "?" for each certificate.
std::string letters(const std::vector<Bytes>& certificates) {
    std::string text;
    for (const Bytes der : certificates)
        text += std::ranges::equal(der, a()) ? 'a' : std::ranges::equal(der, b()) ? 'b' : '?';
    return text;
}

/// "TRUSTED-REVOKED", or the error.
std::string found(Bytes image) {
    const auto built_in = find_built_in(image, "f");
    if (!built_in) return built_in.error().what;
    return letters(built_in->trusted.certificates) + '-' +
           (built_in->revoked ? letters(built_in->revoked->certificates) : "");
}

constexpr const char* kNone = "no list of built-in certificates is in it";
constexpr const char* kUnclear =
    "it has lists of certificates of which nobody can tell whether they are trusted or revoked";

TEST(BuiltIn, AListIsWhatHasItsSizesBehindIt) {
    EXPECT_EQ(found(KernelMaker().trusted({a()}).image()), "a-");
    EXPECT_EQ(found(KernelMaker().trusted({a(), b()}).image()), "ab-");
    EXPECT_EQ(found(KernelMaker(256).trusted({a(), b()}).image()), "ab-") << "arm64";
    EXPECT_EQ(found(KernelMaker().trusted({a()}).revoked({b()}).image()), "a-b");
    EXPECT_EQ(found(KernelMaker(256).trusted({a()}).revoked({b()}).image()), "a-b");
    EXPECT_EQ(found(KernelMaker().image()), kNone);
    EXPECT_EQ(found({}), kNone);
}

TEST(BuiltIn, OtherCertificatesAreNotTakenForThem) {
    const Buffer image = KernelMaker().loose(b()).trusted({a()}).loose(b()).image();
    EXPECT_EQ(found(image), "a-");
    const auto built_in = find_built_in(image, "f");
    ASSERT_TRUE(built_in);
    ASSERT_EQ(built_in->others.size(), 2u);
    EXPECT_EQ(letters(built_in->others[0].certificates), "b");
    EXPECT_EQ(found(KernelMaker().loose(a()).image()), kNone) << "without its size";
    // A size that is one off belongs to no list.
    Buffer other = KernelMaker().trusted({a()}).image();
    other[KernelMaker::kListAt + (a().size() + 7) / 8 * 8] ^= 1;
    EXPECT_EQ(found(other), kNone);
}

TEST(BuiltIn, WithoutAModuleKeyTheOrderDecidesOrNothing) {
    EXPECT_EQ(found(KernelMaker().without_module_key().trusted({a()}).revoked({b()}).image()),
              "a-b");
    EXPECT_EQ(found(KernelMaker().without_module_key().trusted({a()}).image()), kUnclear);
    EXPECT_EQ(found(KernelMaker().trusted({a()}).trusted({b()}).image()), kUnclear);
}

TEST(BuiltIn, RoomForAnExtraCertificateMayStandBetween) {
    EXPECT_EQ(found(KernelMaker().room(4096).trusted({a()}).image()), "a-");
    // scripts/insert-sys-cert.c puts the certificate there, and counts it in.
    EXPECT_EQ(found(KernelMaker().room(4096).trusted({a(), b()}).image()), "ab-");
}

TEST(BuiltIn, HashesThatAreRevoked) {
    const std::string hash(64, 'a');
    const auto built_in = find_built_in(KernelMaker()
                                            .text("tbs:" + hash)
                                            .text("bin:" + hash)
                                            .text("tbs:" + hash + "g")
                                            .text("a bin:" + hash)
                                            .text("tbs:abcd")
                                            .trusted({a()})
                                            .image(),
                                        "f");
    ASSERT_TRUE(built_in);
    EXPECT_EQ(built_in->revoked_hashes, (std::vector<std::string>{"tbs:" + hash, "bin:" + hash}));
}

// ---- how kernels are packed

std::string unpacked(Bytes content) {
    const auto kernel = unpack_kernel(content, "f");
    return kernel ? kernel->form + ' ' + found(kernel->image) : kernel.error().what;
}

TEST(KernelImage, EachCompressionOfABzImage) {
    const Buffer image = KernelMaker().trusted({a()}).image();
    for (const char* name : {"gzip", "xz", "zstd", "lz4", "bzip2", "lzma"})
        EXPECT_EQ(unpacked(KernelMaker::bzimage(image, name)),
                  std::string("bzImage (") + name + ") a-");
}

TEST(KernelImage, FormsOfOtherArchitecturesAndLoaders) {
    const Buffer elf = KernelMaker().trusted({a()}).image();
    const Buffer arm = KernelMaker(256).trusted({a()}).arm64_image();
    EXPECT_EQ(unpacked(elf), "vmlinux a-");
    EXPECT_EQ(unpacked(arm), "arm64 Image a-");
    EXPECT_EQ(unpacked(KernelMaker::compressed(arm, "gzip")), "arm64 Image (gzip) a-");
    EXPECT_EQ(unpacked(KernelMaker::zboot(arm, "zstd")), "zboot (zstd): arm64 Image a-");
    EXPECT_EQ(unpacked(KernelMaker::uki(KernelMaker::bzimage(elf, "gzip"))),
              "UKI: bzImage (gzip) a-");
    EXPECT_EQ(unpacked(KernelMaker::uki(KernelMaker::zboot(arm, "gzip"))),
              "UKI: zboot (gzip): arm64 Image a-");
}

TEST(KernelImage, WhatIsDamagedIsRefused) {
    const Buffer elf = KernelMaker().trusted({a()}).image();
    const Buffer whole = KernelMaker::bzimage(elf, "gzip");
    for (std::size_t size = 0x251; size < whole.size(); size += 61)
        EXPECT_FALSE(unpack_kernel(Bytes(whole).first(size), "f")) << size;
    Buffer other_size = KernelMaker::bzimage(elf, "xz");
    other_size.back() ^= 1;
    EXPECT_NE(unpacked(other_size).find("bytes, and"), std::string::npos);
    EXPECT_EQ(unpacked(KernelMaker::bzimage(Buffer(100, 'x'), "gzip")),
              "a bzImage whose payload is no ELF file");
    EXPECT_EQ(unpacked(Buffer(1000, 'x')), "not a kernel");
    Buffer deep = elf;
    for (int i = 0; i < 5; ++i) deep = KernelMaker::compressed(deep, "gzip");
    EXPECT_FALSE(unpack_kernel(deep, "f"));
}

TEST(Decompress, NoMoreThanIsAllowedComesOfIt) {
    const Buffer zeros = KernelMaker::compressed(Buffer(std::size_t{8} << 20), "gzip");
    EXPECT_TRUE(decompress(zeros, std::size_t{8} << 20, "f"));
    const auto refused = decompress(zeros, (std::size_t{8} << 20) - 1, "f");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().what, "more than 7 MiB come of it");
    EXPECT_EQ(beginning_of(zeros, 100).size(), 100u);
    EXPECT_FALSE(decompress(Buffer(100, 'x'), 1000, "f"));
    const Buffer twice = KernelMaker::compressed(zeros, "gzip");
    EXPECT_FALSE(decompress(twice, 1000, "f"));
}

// ---- PE files

TEST(PeFile, SectionsAndDigest) {
    const Buffer kernel(1000, 'k');
    const Buffer uki = KernelMaker::uki(kernel);
    const auto file = read_pe_file(uki, "f");
    ASSERT_TRUE(file) << to_string(file.error());
    ASSERT_NE(file->section(".linux"), nullptr);
    EXPECT_TRUE(std::ranges::equal(file->section(".linux")->content, kernel));
    EXPECT_EQ(file->section(".initrd"), nullptr);
    EXPECT_TRUE(file->signatures.empty());
    // The digest leaves out CheckSum and the certificate table's entry.
    Buffer changed = uki;
    changed[KernelMaker::kPeAt + 24 + 64] ^= 1;
    EXPECT_EQ(read_pe_file(changed, "f")->authenticode, file->authenticode);
    changed.back() ^= 1;
    EXPECT_NE(read_pe_file(changed, "f")->authenticode, file->authenticode);
    for (std::size_t size = 0; size < uki.size(); size += 13)
        EXPECT_FALSE(read_pe_file(Bytes(uki).first(size), "f")) << size;
}

TEST(PeFile, SectionsThatOverlapAreRefused) {
    Buffer uki = KernelMaker::uki(Buffer(1000, 'k'));
    const std::size_t section = KernelMaker::kPeAt + 24 + 112 + 16 * 8;
    uki[KernelMaker::kPeAt + 6] = 3;  // NumberOfSections
    for (const std::size_t copy : {section + 40, section + 80})
        std::copy_n(&uki[section], 40, &uki[copy]);
    const auto refused = read_pe_file(uki, "f");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().what, "a PE file that is damaged: its sections overlap");
}

TEST(PeFile, OsslsigncodeSignsWhatWeDigest) {
    const TempDir folder;
    const std::string at = folder.path().string() + '/';
    const Buffer uki = KernelMaker::uki(Buffer(999, 'k'));
    testing::write_file(at + "uki", text_of(uki));
    ASSERT_EQ(testing::run("openssl req -x509 -newkey rsa:2048 -nodes -keyout " + at +
                           "key -subj "
                           "/CN=signer -out " +
                           at + "cert")
                  .status,
              0);
    const auto signing = testing::run("osslsigncode sign -h sha256 -certs " + at + "cert -key " +
                                      at + "key -in " + at + "uki -out " + at + "signed");
    ASSERT_EQ(signing.status, 0) << signing.text;
    const std::string content = testing::read_file(at + "signed");
    Findings findings;
    const auto signatures = read_authenticode(as_bytes(content), "f");
    ASSERT_TRUE(signatures) << to_string(signatures.error());
    ASSERT_EQ(signatures->size(), 1u);
    EXPECT_EQ(signatures->front().covers_file, true);
    ASSERT_EQ(signatures->front().signers.size(), 1u);
    EXPECT_EQ(signatures->front().signers[0].issuer, "CN=signer");
    EXPECT_EQ(signatures->front().signers[0].digest, "sha256");
    EXPECT_TRUE(signatures->front().signers[0].certificate);
    std::string other = content;
    other[KernelMaker::kPeAt + 0x200] ^= 1;
    EXPECT_EQ(read_authenticode(as_bytes(other), "f")->front().covers_file, false);
}

/// A value of less than 128 bytes.
std::string der(char tag, const std::string& content) {
    return std::string{tag, static_cast<char>(content.size())} + content;
}

/// The UKI with `pkcs7` as its one signature.
Buffer signed_with(const std::string& pkcs7) {
    Buffer file = KernelMaker::uki(Buffer(512, 'k'));
    const std::size_t table = file.size(), size = (8 + pkcs7.size() + 7) / 8 * 8;
    file.resize(table + size);
    store_le32(&file[table], static_cast<std::uint32_t>(8 + pkcs7.size()));
    file[table + 4] = 0, file[table + 5] = 2, file[table + 6] = 2;
    std::ranges::copy(pkcs7, file.begin() + static_cast<std::ptrdiff_t>(table + 8));
    const std::size_t entry = KernelMaker::kPeAt + 24 + 112 + 4 * 8;
    store_le32(&file[entry], static_cast<std::uint32_t>(table));
    store_le32(&file[entry + 4], static_cast<std::uint32_t>(size));
    return file;
}

/// Content of type data is an OCTET STRING, whose bytes must not be taken for a pointer.
TEST(PeFile, ASignatureOverOtherContentThanAuthenticodes) {
    using namespace std::string_literals;
    const std::string oid = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"s;
    for (const std::size_t size : {15u, 16u, 17u}) {
        const std::string content =
            der(0x30, oid + '\x01' + der('\xa0', der(0x04, std::string(size, 'A'))));
        const std::string pkcs7 = der(
            0x30,
            oid + '\x02' +
                der('\xa0', der(0x30, "\x02\x01\x01"s + der(0x31, "") + content + der(0x31, ""))));
        const auto signatures = read_authenticode(signed_with(pkcs7), "f");
        ASSERT_TRUE(signatures) << to_string(signatures.error());
        ASSERT_EQ(signatures->size(), 1u);
        EXPECT_FALSE(signatures->front().covers_file) << size;
    }
}

// ---- modules

TEST(Module, WhoSignedItAsSignFileWritesIt) {
    const TempDir folder;
    const std::string at = folder.path().string() + '/';
    testing::write_file(at + "module",
                        "\x7f"
                        "ELF a module");
    ASSERT_EQ(testing::run("openssl req -x509 -newkey rsa:2048 -nodes -keyout " + at +
                           "key -subj "
                           "/CN=builder -set_serial 0xABCD -out " +
                           at + "cert")
                  .status,
              0);
    // scripts/sign-file.c: CMS_NOCERTS, CMS_BINARY, detached, without signed attributes.
    for (const bool by_key_id : {false, true}) {
        const auto signing = testing::run(
            "openssl cms -sign -binary -noattr -nocerts -outform DER -md sha512 -signer " + at +
            "cert -inkey " + at + "key -in " + at + "module -out " + at + "cms" +
            (by_key_id ? " -keyid" : ""));
        ASSERT_EQ(signing.status, 0) << signing.text;
        const std::string cms = testing::read_file(at + "cms");
        std::string module =
            "\x7f"
            "ELF a module" +
            cms;
        const auto size = static_cast<std::uint32_t>(cms.size());
        module += std::string("\0\0\2\0\0\0\0\0", 8);
        for (int shift = 24; shift >= 0; shift -= 8) module += static_cast<char>(size >> shift);
        module += "~Module signature appended~\n";
        const auto signature = read_module_signature(as_bytes(module), "f");
        ASSERT_TRUE(signature) << to_string(signature.error());
        ASSERT_EQ(signature->signers.size(), 1u);
        const Signer& signer = signature->signers[0];
        EXPECT_EQ(signer.issuer, by_key_id ? "" : "CN=builder");
        EXPECT_EQ(signer.serial, by_key_id ? "" : "ABCD");
        EXPECT_EQ(signer.key_id.size(), by_key_id ? 20u : 0u);
        EXPECT_EQ(signer.digest, "sha512");
        Findings findings;
        EXPECT_TRUE(read_file_source(KernelMaker::compressed({module.begin(), module.end()}, "xz"),
                                     "m.ko.xz", findings));
        EXPECT_EQ(findings.signed_files.size(), 1u);
        // Another size, another kind, nothing before it.
        for (const std::size_t back : {29u, 30u, 31u, 32u, 38u}) {
            std::string damaged = module;
            damaged[damaged.size() - back] ^= 0x40;
            EXPECT_FALSE(read_module_signature(as_bytes(damaged), "f")) << back;
        }
        EXPECT_FALSE(read_module_signature(as_bytes(module).last(40), "f"));
    }
}

// ---- packages

/// The keyrings and files of what is found, "KEYRING SOURCE, WHERE" each.
std::string read(const std::string& source) {
    Findings findings;
    if (const auto done = read_source(source, findings); !done) return to_string(done.error());
    std::string text;
    for (const FoundCertificate& one : findings.certificates)
        text += (one.keyrings.empty() ? "-" : one.keyrings[0]) + ' ' + one.source + '\n';
    for (const std::string& note : findings.notes) text += note.substr(note.find(": ") + 2) + '\n';
    return text;
}

TEST(Package, DebianAndRpmAndTar) {
    const TempDir folder;
    const std::string root = folder.path().string() + "/root", at = folder.path().string() + '/';
    std::filesystem::create_directories(root + "/boot");
    std::filesystem::create_directories(root + "/DEBIAN");
    testing::write_file(root + "/DEBIAN/control",
                        "Package: linux-image-x\nVersion: 1\nArchitecture: all\nMaintainer: "
                        "x <x@example.org>\nDescription: x\n");
    testing::write_file(root + "/boot/config-x", "CONFIG_X=y\n");
    const auto package = [&](const std::string& name, const char* compression) {
        return testing::run("dpkg-deb --root-owner-group -Z" + std::string(compression) + " -b " +
                            root + ' ' + at + name);
    };
    ASSERT_EQ(package("empty.deb", "gzip").status, 0);
    EXPECT_NE(read(at + "empty.deb").find("a package without a kernel"), std::string::npos);
    testing::write_file(
        root + "/boot/vmlinuz-x",
        text_of(KernelMaker::bzimage(KernelMaker().trusted({a()}).image(), "zstd")));
    const std::string expected = ".builtin_trusted_keys kernel, built in\n";
    for (const char* compression : {"gzip", "xz", "none"}) {
        ASSERT_EQ(package("x.deb", compression).status, 0);
        EXPECT_EQ(read(at + "x.deb"), expected) << compression;
    }
    ASSERT_EQ(testing::run("tar -C " + root + " -cJf " + at + "x.tar.xz boot").status, 0);
    EXPECT_EQ(read(at + "x.tar.xz"), expected);
    ASSERT_EQ(testing::run("cd " + root + " && find boot | cpio -o -H newc --quiet | zstd -q >" +
                           at + "payload")
                  .status,
              0);
    testing::write_file(at + "x.rpm", KernelMaker::rpm(testing::read_file(at + "payload")));
    EXPECT_EQ(read(at + "x.rpm"), expected);
    // A folder of them; what has no kernel is left out, and said.
    std::filesystem::remove_all(root);
    std::filesystem::remove(at + "payload");
    testing::write_file(at + "README", "about");
    EXPECT_EQ(read(folder.path().string()),
              expected + expected + expected +
                  "left out were 1 packages without a kernel, and 1 other files\n");
    // Cut short anywhere, it is refused.
    const std::string deb = testing::read_file(at + "x.deb");
    for (std::size_t size = 100; size + 100 < deb.size(); size += deb.size() / 37) {
        testing::write_file(at + "cut.deb", deb.substr(0, size));
        Findings findings;
        EXPECT_FALSE(read_source(at + "cut.deb", findings)) << size;
    }
}

/// A package of 200 KB can have twelve of 500 MiB: they are not kept beside each other.
TEST(Package, KernelsAreTakenOneAtATime) {
    const TempDir folder;
    const std::string at = folder.path().string() + '/';
    testing::write_file(at + "vmlinuz-1", "first");
    testing::write_file(at + "vmlinuz-2", "second");
    testing::write_file(at + "other", std::string(2000, 'x'));
    ASSERT_EQ(testing::run("tar -C " + at + " -cf " + at + "tar vmlinuz-1 other vmlinuz-2").status,
              0);
    std::string tar = testing::read_file(at + "tar");
    tar.resize(tar.rfind("second") + 3);
    std::string taken;
    const auto cut = for_each_kernel(as_bytes(tar), "f", [&](const PackagedFile& file) {
        taken += file.name + '=' + text_of(file.content) + ' ';
        return Result<void>();
    });
    EXPECT_FALSE(cut);
    EXPECT_EQ(taken, "vmlinuz-1=first ");
    const auto refused = for_each_kernel(
        as_bytes(tar), "f", [](const PackagedFile&) { return Result<void>(fail("enough")); });
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().what, "enough");
}

}  // namespace kernel_references_test
}  // namespace keyscribe::references
