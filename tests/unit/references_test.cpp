// SPDX-License-Identifier: Apache-2.0
// Folders of reference values, and what a key in a keyring may be.
#include "controller/service/appraise/references.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "support.h"
#include "tests/unit/two_certificates.h"

namespace keyscribe::appraise {
namespace references_test {

namespace fs = std::filesystem;
using testing::Buffer;
using testing::pem_of;
using testing::TempDir;
using testing::text_of;
using testing::TwoCertificates;
using testing::write_file;

const TwoCertificates& made() { return TwoCertificates::shared(); }

/// "KEYRING/FILE" of each reference value, or the error.
std::string load(const fs::path& folder) {
    const auto values = ReferenceValues::load(folder);
    if (!values) return "error: " + values.error().what + " (" + values.error().hint + ")";
    std::string text;
    for (const Reference& one : values->all())
        text +=
            (text.empty() ? "" : " ") + one.keyring + '/' + fs::path(one.file).filename().string();
    return text;
}

TEST(ReferenceFolder, LinksAreFollowed) {
    const TempDir folder;
    fs::create_directories(folder / "elsewhere");
    fs::create_directories(folder / "refs");
    write_file(folder / "elsewhere/i.pem", pem_of(made().a));
    fs::create_symlink("../elsewhere", folder / "refs/.ima");
    fs::create_symlink("../elsewhere/i.pem", folder / "refs/b.pem");
    EXPECT_EQ(load(folder / "refs"), ".ima/i.pem /b.pem");
    fs::create_symlink("nowhere", folder / "refs/c.pem");
    EXPECT_EQ(load(folder / "refs"), "error: a link that leads nowhere ()");
    fs::remove(folder / "refs/c.pem");
    fs::create_symlink("loop", folder / "refs/loop");
    EXPECT_EQ(load(folder / "refs").substr(0, 6), "error:");
    fs::remove(folder / "refs/loop");
    fs::create_symlink(".", folder / "refs/again");
    EXPECT_EQ(load(folder / "refs").substr(0, 6), "error:");
}

TEST(ReferenceFolder, AsKubernetesMountsIt) {
    const TempDir folder;
    fs::create_directories(folder / "..2026_11_28/.ima");
    fs::create_directories(folder / "..2026_11_27");  // what kubelet has not removed yet
    write_file(folder / "..2026_11_27/b.pem", "of yesterday");
    write_file(folder / "..2026_11_28/b.pem", pem_of(made().b));
    write_file(folder / "..2026_11_28/.ima/i.pem", pem_of(made().a));
    fs::create_symlink("..2026_11_28", folder / "..data");
    fs::create_symlink("..data/b.pem", folder / "b.pem");
    fs::create_symlink("..data/.ima", folder / ".ima");
    EXPECT_EQ(load(folder), ".ima/i.pem /b.pem");
    write_file(folder / "..2026_11_28/new.pem", pem_of(made().a));
    EXPECT_EQ(load(folder).substr(0, 6), "error:") << "no name leads to a file";
    fs::remove(folder / "..2026_11_28/new.pem");
    fs::remove(folder / "..data");
    EXPECT_EQ(load(folder).substr(0, 6), "error:");
}

/// As git with core.symlinks=false writes it, and archives without links.
TEST(ReferenceFolder, AVolumeOfKubernetesThatWasCopiedWithoutLinks) {
    const TempDir folder;
    fs::create_directories(folder / "..2026_11_28/.ima");
    write_file(folder / "..2026_11_28/b.pem", pem_of(made().b));
    write_file(folder / "..2026_11_28/.ima/i.pem", pem_of(made().a));
    write_file(folder / "..data", "..2026_11_28");
    write_file(folder / "b.pem", "..data/b.pem");
    EXPECT_EQ(load(folder).substr(0, 6), "error:") << "no name leads to i.pem";
    write_file(folder / ".ima", "..data/.ima");
    EXPECT_EQ(load(folder), ".ima/i.pem /b.pem");
    for (const char* target : {"../elsewhere", "..", "..2026_11_29", "..2026_11_28/.ima"}) {
        write_file(folder / "..data", target);
        EXPECT_EQ(load(folder).substr(0, 6), "error:") << target;
    }
    write_file(folder / "..data", "..2026_11_28");
    write_file(folder / "b.pem", "..data/.ima/i.pem");
    EXPECT_EQ(load(folder).substr(0, 6), "error:") << "another name's";
}

TEST(ReferenceFolder, WhatIsNeitherFileNorKeyringIsRefused) {
    const TempDir folder;
    write_file(folder / "b.der", text_of(made().b));
    EXPECT_EQ(load(folder), "/b.der");
    fs::create_directories(folder / ".ima/old");
    EXPECT_EQ(load(folder).substr(0, 38), "error: a folder in a keyring's folder ");
    fs::remove(folder / ".ima/old");
    write_file(folder / ".ima/empty.pem", "");
    EXPECT_EQ(load(folder), "error: the file is empty ()");
    fs::remove(folder / ".ima/empty.pem");
    ASSERT_EQ(::mkfifo((folder / ".ima/fifo").c_str(), 0600), 0);
    EXPECT_EQ(load(folder), "error: neither a file nor a folder ()");
    fs::remove(folder / ".ima/fifo");
    write_file(folder / "README", "of an operator");
    EXPECT_EQ(load(folder).substr(0, 6), "error:");
}

TEST(ReferenceFolder, NamesThatWereMeantToBeAKeyring) {
    for (const auto& [name, hint] : std::vector<std::pair<std::string, std::string>>{
             {".imaa", "did you mean '.ima'?"},
             {"builtin_trusted_keys", "did you mean '.builtin_trusted_keys'?"},
             {".IMA", "did you mean '.ima'?"},
             {".Builtin_Trusted_Keys", "did you mean '.builtin_trusted_keys'?"},
             {".ima ", "did you mean '.ima'?"}}) {
        const TempDir folder;
        fs::create_directories(folder / name);
        write_file(folder / (name + "/a.der"), text_of(made().a));
        const std::string found = load(folder);
        EXPECT_EQ(found.substr(0, 6), "error:") << name;
        EXPECT_NE(found.find(hint), std::string::npos) << found;
    }
    // A user's keyring, and one that a later kernel may make.
    for (const char* name : {"staging", ".attested-modules"}) {
        const TempDir folder;
        fs::create_directories(folder / name);
        write_file(folder / (std::string(name) + "/a.der"), text_of(made().a));
        EXPECT_EQ(load(folder), std::string(name) + "/a.der");
    }
}

TEST(References, NoChoiceDependsOnTheNamesOfFiles) {
    const Buffer old = testing::certificate(made().key_a.get(), "A", made().key_a.get(), "A",
                                            {.not_before = 1, .not_after = 2});
    const Sha256 key = sha256(testing::spki_bits(made().key_a.get()));
    for (const bool old_first : {true, false}) {
        ReferenceValues values;
        ASSERT_TRUE(values.add(old_first ? old : made().a, "1.der"));
        ASSERT_TRUE(values.add(old_first ? made().a : old, "2.der"));
        ASSERT_TRUE(values.add(made().a, "3.der", ".evm"));
        EXPECT_EQ(values.that_may_be(std::nullopt, key, ".ima").size(), 2u);
        EXPECT_EQ(values.that_may_be(std::nullopt, key, ".evm").size(), 3u);
        const auto by_certificate = values.that_may_be(sha256(old), key, ".ima");
        ASSERT_EQ(by_certificate.size(), 1u);
        EXPECT_EQ(by_certificate[0]->digest, sha256(old));
        EXPECT_TRUE(values.that_may_be(sha256(made().b), std::nullopt, ".ima").empty());
    }
}

TEST(References, AreNamedInEveryFormThatTheyAreKnownIn) {
    ReferenceValues values;
    ASSERT_TRUE(values.add(made().a, "refs/.ima/a.der", ".ima"));
    const Reference& one = values.all()[0];
    const auto upper = [](std::string text) {
        for (char& letter : text) letter = static_cast<char>(std::toupper(letter));
        return text;
    };
    const auto with_colons = [](const std::string& hex) {
        std::string text;
        for (std::size_t i = 0; i < hex.size(); i += 2)
            text += (i == 0 ? "" : ":") + hex.substr(i, 2);
        return text;
    };
    for (const Sha256& digest : {one.digest, one.key_digest, one.spki_digest}) {
        EXPECT_TRUE(is_named(one, to_hex(digest)));
        EXPECT_TRUE(is_named(one, upper(to_hex(digest))));
        EXPECT_TRUE(is_named(one, with_colons(to_hex(digest))));
        EXPECT_TRUE(is_named(one, upper(with_colons(to_hex(digest)))));
        EXPECT_TRUE(is_named(one, "sha256:" + to_hex(digest)));
    }
    for (const char* name : {"*", "a.der", ".ima/a.der", "refs/.ima/a.der"})
        EXPECT_TRUE(is_named(one, name)) << name;
    for (const char* name : {"", "der", ".der", "ma/a.der", "A.DER", "a.der ", "b.der"})
        EXPECT_FALSE(is_named(one, name)) << name;
    EXPECT_FALSE(is_named(one, to_hex(one.digest).substr(1)));
    EXPECT_FALSE(is_named(one, to_hex(one.digest) + "00"));
    EXPECT_FALSE(is_named(one, to_hex(sha256(made().b))));
}

TEST(References, FingerprintsAreAsOpensslPrintsThem) {
    const TempDir folder;
    write_file(folder / "a.der", text_of(made().a));
    const auto values = ReferenceValues::load(folder);
    ASSERT_TRUE(values);
    std::string line = testing::run("openssl x509 -inform DER -noout -fingerprint -sha256 -in " +
                                    (folder / "a.der").string())
                           .text;
    line = line.substr(line.find('=') + 1);
    line.pop_back();
    EXPECT_TRUE(is_named(values->all()[0], line)) << line;
}

}  // namespace references_test
}  // namespace keyscribe::appraise
