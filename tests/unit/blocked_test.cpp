// SPDX-License-Identifier: Apache-2.0
// Keys and files that are known bad, in the forms that operators hand in.
#include "controller/service/appraise/blocked.h"

#include <gtest/gtest.h>

#include "controller/keyrings/certificate.h"
#include "controller/keyrings/public_key.h"
#include "controller/service/appraise/quote.h"
#include "support.h"
#include "tests/unit/two_certificates.h"

namespace keyscribe::appraise {
namespace blocked_test {

using testing::Buffer;
using testing::pem_of;
using testing::text_of;
using testing::TwoCertificates;

const TwoCertificates& made() { return TwoCertificates::shared(); }
keyrings::CertificateView view_a() { return *keyrings::view_certificate(made().a); }

/// The error's place, or "read".
std::string keys_of(const std::string& text) {
    const auto keys = BlockedKeys::parse(text, "f");
    return keys ? "read" : keys.error().where;
}

TEST(BlockedKeys, ByEachFormOfEachFormThatTheyAreHandedInAs) {
    const Buffer spki(view_a().spki.begin(), view_a().spki.end());
    const KeyDigests as_payload = digests_of_payload(made().a);
    const KeyDigests as_key = digests_of_public_key(view_a().public_key, "ecdsa-nist-p256");
    ASSERT_TRUE(as_key.spki && as_payload.spki);
    EXPECT_EQ(*as_key.spki, *as_payload.spki);
    for (const std::string& text : {pem_of(made().a), text_of(made().a), pem_of(spki, "PUBLIC KEY"),
                                    text_of(spki), to_hex(*as_key.key), to_hex(*as_key.spki),
                                    to_hex(*as_key.spki) + "  key.der\n# comment\n"}) {
        const auto keys = BlockedKeys::parse(text, "f");
        ASSERT_TRUE(keys) << to_string(keys.error());
        EXPECT_TRUE(keys->contains(as_payload)) << text;
        EXPECT_TRUE(keys->contains(as_key)) << text;
        EXPECT_FALSE(keys->contains(digests_of_payload(made().b))) << text;
    }
    for (const Sha256& digest : {sha256(made().a), sha256(view_a().tbs)}) {
        auto keys = BlockedKeys::parse(to_hex(digest), "f");
        ASSERT_TRUE(keys);
        EXPECT_TRUE(keys->contains(as_payload));
        EXPECT_FALSE(keys->contains(as_key)) << "nobody knows yet whose key it is";
        ReferenceValues references;
        ASSERT_TRUE(references.add(made().b, "b.der"));
        ASSERT_TRUE(references.add(made().a, "a.der"));
        keys->extend(references);
        EXPECT_TRUE(keys->contains(as_key)) << "the reference values do";
        EXPECT_FALSE(keys->contains(digests_of_payload(made().b)));
    }
}

/// A point of a curve can be written in three ways, and the curve by its parameters.
TEST(BlockedKeys, AnEllipticKeyInEachOfItsForms) {
    const auto key = testing::ec_key("P-256");
    const Buffer shown = testing::spki_bits(key.get());
    for (const char* encoding : {"named_curve", "explicit"})
        for (const char* form : {"uncompressed", "compressed", "hybrid"}) {
            EVP_PKEY_set_utf8_string_param(key.get(), "encoding", encoding);
            EVP_PKEY_set_utf8_string_param(key.get(), "point-format", form);
            unsigned char* der = nullptr;
            const int size = i2d_PUBKEY(key.get(), &der);
            const Buffer spki(der, der + size);
            OPENSSL_free(der);
            const auto keys = BlockedKeys::parse(pem_of(spki, "PUBLIC KEY"), "f");
            ASSERT_TRUE(keys) << to_string(keys.error());
            EXPECT_TRUE(keys->contains(digests_of_public_key(shown, "ecdsa-nist-p256")))
                << encoding << form;
            const auto ak = AttestationKey::parse(pem_of(spki, "PUBLIC KEY"), "ak");
            ASSERT_TRUE(ak) << to_string(ak.error());
            EXPECT_EQ(ak->der(), keyrings::public_key_info("ecdsa-nist-p256", shown));
        }
}

TEST(BlockedKeys, HexBesidePemIsReadToo) {
    const std::string digest = to_hex(sha256(made().b));
    for (const std::string& text :
         {digest + "\n" + pem_of(made().a), pem_of(made().a) + digest,
          "# two\n" + pem_of(made().a) + "# of 2024\n" + digest + "  bad key\n"}) {
        const auto keys = BlockedKeys::parse(text, "f");
        ASSERT_TRUE(keys) << to_string(keys.error());
        EXPECT_TRUE(keys->contains(digests_of_payload(made().a)));
        EXPECT_TRUE(keys->contains(digests_of_payload(made().b)));
    }
}

TEST(BlockedKeys, CapitalsAndColons) {
    std::string text = "AB";
    for (int i = 0; i < 31; ++i) text += ":cD";
    Sha256 digest;
    digest.fill(0xcd);
    digest[0] = 0xab;
    for (const std::string& form :
         {text, "sha256:" + text, "\r" + text + "\r", "\\" + text + "  a\\nb"}) {
        const auto keys = BlockedKeys::parse(form, "f");
        ASSERT_TRUE(keys) << form;
        EXPECT_TRUE(keys->contains(digest));
    }
}

TEST(BlockedKeys, WhatIsNotReadWholeIsRefusedWithItsLine) {
    const std::string digest(64, 'a');
    EXPECT_EQ(keys_of(""), "f");
    EXPECT_EQ(keys_of("# nothing\n"), "f");
    EXPECT_EQ(keys_of(digest + "\n" + digest.substr(1)), "f:2");
    EXPECT_EQ(keys_of(digest + "\r" + digest + "0"), "f:2") << "CR alone ends a line";
    EXPECT_EQ(keys_of(digest + " " + std::string(64, 'b')), "f:1") << "two in a line";
    EXPECT_EQ(keys_of("sha1:" + std::string(40, 'a')), "f:1");
    EXPECT_EQ(keys_of("subject=CN = A\n" + pem_of(made().a)), "f:1");
    EXPECT_EQ(keys_of("  > " + pem_of(made().a)), "f:1");
    EXPECT_EQ(keys_of(digest + ", " + digest), "f:1");
    EXPECT_EQ(keys_of("read"), "f:1");
    EXPECT_EQ(keys_of(digest), "read");
}

/// What other programs show as a line of its own.
TEST(BlockedKeys, ALineThatEndsInAnotherFormIsRefused) {
    const std::string digest(64, 'a'), other(64, 'b');
    for (const char* end :
         {"\x1c", "\x1d", "\x1e", "\v", "\f", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"})
        for (const std::string& before : {std::string("# old"), other + " name"}) {
            const std::string text = other + '\n' + before + end + digest + '\n';
            // What has other control characters is no text at all.
            EXPECT_EQ(keys_of(text), *end >= '\x1c' && *end < ' ' ? "f" : "f:2") << before << end;
            const auto files = BlockedFiles::parse(text, "f");
            ASSERT_FALSE(files) << before << end;
            EXPECT_EQ(files.error().where, "f:2");
        }
    EXPECT_FALSE(BlockedFiles::parse(other + "\n# old" + std::string(1, '\0') + digest, "f"));
    for (const char* blank : {"\xc2\xa0", "\xe2\x80\x83"})
        EXPECT_FALSE(BlockedFiles::parse(other + " name" + blank + digest, "f")) << blank;
    EXPECT_EQ(keys_of(digest + "\f\n\v" + other), "read") << "at a line's end it hides nothing";
}

TEST(BlockedFiles, AsSha256sumEscapesNames) {
    const testing::TempDir folder;
    testing::write_file(folder / "a\\b", "x");
    testing::write_file(folder / "c\nd", "y");
    testing::write_file(folder / "plain", "z");
    for (const char* form : {"", " --tag", " -b"}) {
        const auto written =
            testing::run("cd " + folder.path().string() + " && sha256sum" + form + " *");
        ASSERT_EQ(written.status, 0);
        const auto files = BlockedFiles::parse(written.text, "f");
        ASSERT_TRUE(files) << to_string(files.error()) << written.text;
        for (const char* content : {"x", "y", "z"})
            EXPECT_TRUE(files->contains("sha256", sha256(as_bytes(content)))) << form << content;
    }
}

TEST(BlockedFiles, HexAloneByItsLength) {
    const auto files = BlockedFiles::parse("\n# comment\n" + std::string(64, 'b') + "  /bin/x\n" +
                                               std::string(40, 'c') + "\n" + std::string(128, 'd'),
                                           "f");
    ASSERT_TRUE(files);
    EXPECT_TRUE(files->contains("sha256", Buffer(32, 0xbb)));
    EXPECT_TRUE(files->contains("sha1", Buffer(20, 0xcc)));
    EXPECT_TRUE(files->contains("sha512", Buffer(64, 0xdd)));
    EXPECT_FALSE(files->contains("sha256", Buffer(32, 0xcc)));
    for (const char* wrong : {"xyz", "abc", "sha256:abcd", "0011223344"})
        EXPECT_FALSE(BlockedFiles::parse(wrong, "f")) << wrong;
}

TEST(BlockedFiles, EachAlgorithmByItsName) {
    const std::string sm3(64, 'a');
    const auto files = BlockedFiles::parse("sm3:" + sm3 + "\nSHA1:" + std::string(40, 'B') +
                                               "\nSHA3-256 (/a (b) = c) = " + std::string(64, 'c'),
                                           "f");
    ASSERT_TRUE(files) << to_string(files.error());
    EXPECT_TRUE(files->contains("sm3", Buffer(32, 0xaa)));
    EXPECT_TRUE(files->contains("sm3-256", Buffer(32, 0xaa))) << "its name until Linux 5.18";
    EXPECT_FALSE(files->contains("sha256", Buffer(32, 0xaa))) << "the length alone says nothing";
    EXPECT_TRUE(files->contains("sha1", Buffer(20, 0xbb)));
    EXPECT_TRUE(files->contains("sha3-256", Buffer(32, 0xcc)));
}

TEST(BlockedFiles, AnAlgorithmComparesWhereEveryFileIsGivenInIt) {
    const std::string sha1(40, '1'), sha256(64, '2'), other(64, '3'), sm3(64, '4');
    const auto compares = [](const std::string& text) {
        const auto files = BlockedFiles::parse(text, "f");
        std::string names;
        for (const char* name : {"sha1", "sha256", "sm3-256"})
            if (files && files->compares(name)) names += std::string(name) + ' ';
        return names;
    };
    EXPECT_EQ(compares(sha256), "sha256 ");
    EXPECT_EQ(compares("sm3:" + sm3 + "  /a"), "sm3-256 ") << "its name until Linux 5.18";
    EXPECT_EQ(compares(sha1 + "  /a\n" + sha256 + " */a"), "sha1 sha256 ");
    EXPECT_EQ(compares(sha1 + "  /a\n" + sha256 + "  /a\n" + other + "  /b"), "sha256 ");
    EXPECT_EQ(compares(sha1 + "  /a\n" + other + "  /b"), "") << "each hides from the other";
    EXPECT_EQ(compares(sha1 + "\n" + sha256), "") << "nothing says that it is one file";
    EXPECT_EQ(compares(sha1 + "  /a\n" + sha256 + "  /a\n" + other + "  /a"), "sha256 ")
        << "two builds, of which one is not given as SHA-1";
    EXPECT_EQ(compares(sha1 + "  /a\nSHA256 (/a) = " + sha256 + "\n" + sha1 + "  /a"),
              "sha1 sha256 ")
        << "a line that is there twice";
    EXPECT_EQ(compares(sha256 + "  /a\n" + other + "  /b\n" + sha256 + "  /b\n" + sha1 + "  /b\n" +
                       std::string(40, '5') + "  /b\n" + sha1 + "  /a\n"),
              "sha1 sha256 ")
        << "two builds, of which one is another file's content too";
}

TEST(BlockedFiles, WhatIsNotReadWholeIsRefusedWithItsLine) {
    const auto where = [](const std::string& text) {
        const auto files = BlockedFiles::parse(text, "f");
        return files ? "read" : files.error().where;
    };
    const std::string digest(64, 'a');
    EXPECT_EQ(where(""), "f");
    EXPECT_EQ(where("# nothing"), "f");
    EXPECT_EQ(where(digest + "  a\n" + digest.substr(2) + "  b"), "f:2");
    EXPECT_EQ(where("sha384:" + digest), "f:1");
    // What stands behind a digest hides another one: `sha256sum -z`, a comment, a table.
    const std::string other(64, 'b');
    const std::string nul(1, '\0');
    for (const std::string& second :
         {nul + other + "  b" + nul, " sha256:" + other, " (" + other + ")", " x," + other,
          " \"" + other + "\"", " SHA256 (b) = " + other})
        EXPECT_EQ(where(digest + "  a" + second), "f:1") << second;
    EXPECT_EQ(where("SHA256 (a) = " + digest + nul + "SHA256 (b) = " + other), "f:1");
    EXPECT_EQ(where("SHA256 (a) = " + digest + " SHA256 (b) = " + other), "f:1");
    EXPECT_EQ(where(digest + "  /layers/" + other + "/bin/a"), "read") << "a name";
    EXPECT_EQ(where(digest + "  sha256:" + digest), "read") << "the same again";
    EXPECT_EQ(where("sha999:" + digest), "f:1");
    EXPECT_EQ(where("SHA384 (a) = " + digest), "f:1");
    EXPECT_EQ(where(digest + "  " + std::string(64, 'b')), "f:1") << "two in a line";
    EXPECT_EQ(where(digest + "  " + digest), "read") << "a file of its digest's name";
}

}  // namespace blocked_test
}  // namespace keyscribe::appraise
