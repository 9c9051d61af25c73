// SPDX-License-Identifier: Apache-2.0
#include "controller/keyrings/certificate.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <memory>

#include "controller/keyrings/certificate_view.h"
#include "controller/keyrings/signers.h"
#include "tests/unit/support.h"

namespace keyscribe::model {
namespace certificate_test {

using testing::read_file;
using testing::run;
using testing::TempDir;

/// A chain of three, by openssl: an RSA root, an EC one below it, an Ed25519 one below that.
class CertificateTest : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        folder_ = std::make_unique<TempDir>();
        make("root", "rsa:2048", "/C=DE/O=Example, \"Ltd\"/CN=Root \xc3\xa4", "");
        make("below", "ec -pkeyopt ec_paramgen_curve:P-256", "/CN=Below", "root");
        make("leaf", "ed25519", "/CN=Leaf", "below");
    }
    static void TearDownTestSuite() { folder_.reset(); }

    static void make(const std::string& name, const std::string& kind, const std::string& subject,
                     const std::string& signer) {
        const std::string at = folder_->path().string() + "/";
        std::string command = "openssl req -x509 -utf8 -nodes -days 30 -newkey " + kind +
                              " -subj '" + subject + "' -keyout " + at + name +
                              ".key -outform DER -out " + at + name + ".der";
        if (!signer.empty())
            command += " -CA " + at + signer + ".pem -CAkey " + at + signer + ".key";
        const auto made = run(command + " && openssl x509 -inform DER -in " + at + name +
                              ".der -out " + at + name + ".pem");
        ASSERT_EQ(made.status, 0) << made.text;
    }
    static std::string der(const std::string& name) {
        return read_file(*folder_ / (name + ".der"));
    }
    static std::string openssl(const std::string& name, const std::string& what) {
        std::string text = run("openssl x509 -inform DER -noout -in " +
                               (*folder_ / (name + ".der")).string() + " " + what)
                               .text;
        while (text.ends_with('\n')) text.pop_back();
        return text;
    }
    static std::string output(const std::string& command) {
        std::string text = run("cd " + folder_->path().string() + " && " + command).text;
        while (text.ends_with('\n')) text.pop_back();
        return text;
    }
    static std::unique_ptr<TempDir> folder_;
};
std::unique_ptr<TempDir> CertificateTest::folder_;

std::string with_colons(const std::vector<std::uint8_t>& bytes) {
    std::string text;
    for (const std::uint8_t byte : bytes) {
        if (!text.empty()) text += ':';
        for (const char digit : to_hex(std::array{byte}))
            text += static_cast<char>(std::toupper(digit));
    }
    return text;
}

TEST_F(CertificateTest, SaysWhatOpensslSays) {
    for (const std::string name : {"root", "below", "leaf"}) {
        const std::string bytes = der(name);
        const auto found = keyrings::parse_certificate(as_bytes(bytes));
        ASSERT_TRUE(found) << found.error();
        EXPECT_EQ("subject=" + found->subject, openssl(name, "-subject -nameopt RFC2253,-esc_msb"));
        EXPECT_EQ("issuer=" + found->issuer, openssl(name, "-issuer -nameopt RFC2253,-esc_msb"));
        EXPECT_EQ("serial=" + found->serial, openssl(name, "-serial"));
        EXPECT_EQ(to_hex(found->sha256), output("sha256sum <" + name + ".der | cut -d' ' -f1"));
        EXPECT_NE(openssl(name, "-ext subjectKeyIdentifier,authorityKeyIdentifier")
                      .find(with_colons(found->subject_key_id)),
                  std::string::npos);
        EXPECT_NE(
            openssl(name, "-ext authorityKeyIdentifier").find(with_colons(found->authority_key_id)),
            std::string::npos);
        EXPECT_EQ(found->subject_key_id.size(), 20u);
        EXPECT_EQ(found->authority_key_id.size(), 20u);
        const auto seconds = [&](const char* what) {
            return output("date +%s -d \"$(openssl x509 -inform DER -noout -in " + name + ".der " +
                          what + " | cut -d= -f2)\"");
        };
        EXPECT_EQ(std::to_string(found->not_before), seconds("-startdate"));
        EXPECT_EQ(std::to_string(found->not_after), seconds("-enddate"));
        // The BIT STRING is the public key's last member: its content begins with a byte 0.
        const std::string spki =
            "openssl x509 -in " + name + ".pem -noout -pubkey | openssl pkey -pubin -outform DER";
        const std::string offset =
            output(spki + " | openssl asn1parse -inform DER | awk -F: '/BIT STRING/ {print $1}'");
        EXPECT_EQ(to_hex(found->fingerprint),
                  output(spki + " | openssl asn1parse -inform DER -strparse " + offset +
                         " -noout -out bits >/dev/null 2>&1; sha256sum <bits | cut -d' ' -f1"));
        EXPECT_EQ(to_hex(hash(Algorithm::kSha256, found->public_key)),
                  output(spki + " | sha256sum | cut -d' ' -f1"));
    }
    EXPECT_EQ(keyrings::parse_certificate(as_bytes(der("root")))->algorithm, "RSA 2048");
    EXPECT_EQ(keyrings::parse_certificate(as_bytes(der("below")))->algorithm, "EC prime256v1");
    EXPECT_EQ(keyrings::parse_certificate(as_bytes(der("leaf")))->algorithm, "ED25519");
}

/// 16 bits a letter, which old tools write.
TEST_F(CertificateTest, ShowsABmpStringAsPeopleWriteIt) {
    testing::write_file(*folder_ / "bmp.cnf",
                        "[req]\ndistinguished_name=dn\nstring_mask=MASK:2048\n[dn]\n");
    const std::string made = output(
        "openssl req -x509 -config bmp.cnf -utf8 -nodes -newkey rsa:2048 -keyout bmp.key "
        "-subj '/CN=R\xc3\xb6\xc3\xb6t \xe6\xa0\xb9' -outform DER -out bmp.der 2>/dev/null; "
        "openssl asn1parse -inform DER -in bmp.der");
    ASSERT_TRUE(made.contains("BMPSTRING")) << made;
    const std::string bmp = der("bmp");
    const auto found = keyrings::parse_certificate(as_bytes(bmp));
    ASSERT_TRUE(found) << found.error();
    EXPECT_EQ(found->subject, "CN=R\xc3\xb6\xc3\xb6t \xe6\xa0\xb9");
    EXPECT_EQ(keyrings::display_name(*keyrings::view_certificate(as_bytes(bmp))),
              "R\xc3\xb6\xc3\xb6t \xe6\xa0\xb9");
    EXPECT_EQ("subject=" + found->subject, openssl("bmp", "-subject -nameopt RFC2253,-esc_msb"));
}

TEST_F(CertificateTest, SaysWhyASignatureCannotBeVerified) {
    const std::string root = der("root");
    EXPECT_EQ(keyrings::why_unverifiable(as_bytes(root)), "");
    output("openssl req -x509 -new -key root.key -sha1 -subj /CN=Old -outform DER -out sha1.der");
    EXPECT_EQ(keyrings::why_unverifiable(as_bytes(der("sha1"))), "it is signed with SHA-1");
    // The identifiers of sha256WithRSAEncryption and of ML-DSA-65 are of one length.
    const std::string rsa = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b";
    std::string mldsa = root;
    std::size_t replaced = 0;
    for (std::size_t at = 0; (at = mldsa.find(rsa, at)) != mldsa.npos; ++replaced)
        mldsa.replace(at, rsa.size(), "\x60\x86\x48\x01\x65\x03\x04\x03\x12");
    ASSERT_EQ(replaced, 2u);
    // OpenSSL 3.5 has ML-DSA.
    EXPECT_EQ(
        keyrings::why_unverifiable(as_bytes(mldsa)),
        OPENSSL_VERSION_NUMBER < 0x30500000L ? "ML-DSA cannot be verified by this OpenSSL" : "");
}

TEST_F(CertificateTest, KnowsWhoSigned) {
    using Ids = std::vector<std::size_t>;
    const std::string root = der("root"), below = der("below"), leaf = der("leaf");
    keyrings::Signers signers(100);
    signers.add_certificate(0, as_bytes(root));
    signers.add_certificate(1, as_bytes(below));
    signers.add_certificate(2, as_bytes(leaf));
    signers.add_certificate(3, as_bytes("garbage"));
    EXPECT_EQ(signers.of(as_bytes(root)), Ids{0});
    EXPECT_EQ(signers.of(as_bytes(below)), Ids{0});
    EXPECT_EQ(signers.of(as_bytes(leaf)), Ids{1});
    std::string forged = below;
    forged.back() ^= 1;
    EXPECT_TRUE(signers.of(as_bytes(forged)).empty());
    EXPECT_TRUE(signers.of({}).empty());
    EXPECT_FALSE(signers.unfinished());
}

TEST_F(CertificateTest, KnowsTheSignerWithoutACertificate) {
    using Ids = std::vector<std::size_t>;
    const std::string root = der("root"), below = der("below");
    const auto view = keyrings::view_certificate(as_bytes(root));
    ASSERT_TRUE(view);
    keyrings::Signers signers(1);
    signers.add_key(7, "rsa", view->public_key);
    EXPECT_EQ(signers.of(as_bytes(below)), Ids{7});
    EXPECT_TRUE(signers.of(as_bytes(below)).empty());
    EXPECT_TRUE(signers.unfinished()) << "one verification was allowed";
}

TEST_F(CertificateTest, RefusesALongExponent) {
    // 2^80 + 1
    ASSERT_EQ(
        run("cd " + folder_->path().string() +
            " && openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_pubexp:"
            "1208925819614629174706177 -out slow.key 2>/dev/null"
            " && openssl req -x509 -new -key slow.key -subj /CN=Slow -outform DER -out slow.der")
            .status,
        0);
    const std::string slow = der("slow"), root = der("root");
    EXPECT_EQ(keyrings::read_public_key(keyrings::view_certificate(as_bytes(slow))->spki), nullptr);
    EXPECT_NE(keyrings::read_public_key(keyrings::view_certificate(as_bytes(root))->spki), nullptr);
    EXPECT_EQ(keyrings::read_public_key({}), nullptr);
}

TEST_F(CertificateTest, ThePublicKeyAsTheKernelTellsIt) {
    const auto bits = [&](const std::string& name, std::size_t header) {
        const auto key = keyrings::parse_certificate(as_bytes(der(name)))->public_key;
        return std::vector<std::uint8_t>(key.begin() + static_cast<std::ptrdiff_t>(header),
                                         key.end());
    };
    EXPECT_EQ(keyrings::public_key_info("rsa", bits("root", 24)),
              keyrings::parse_certificate(as_bytes(der("root")))->public_key);
    EXPECT_EQ(keyrings::public_key_info("ecdsa-nist-p256", bits("below", 26)),
              keyrings::parse_certificate(as_bytes(der("below")))->public_key);
    // RFC 9881, 4: the identifier of ML-DSA has no parameters.
    EXPECT_EQ(to_hex(keyrings::public_key_info("mldsa65", as_bytes("key"))),
              "3013300b0609608648016503040312030400" + to_hex(as_bytes("key")));
    EXPECT_FALSE(keyrings::public_key_info("mldsa44", as_bytes("key")).empty());
    EXPECT_FALSE(keyrings::public_key_info("sm2", as_bytes("key")).empty());
    EXPECT_TRUE(keyrings::public_key_info("unheard of", bits("below", 26)).empty());
    EXPECT_TRUE(keyrings::public_key_info("rsa", {}).empty());
}

TEST_F(CertificateTest, WhatIsNoneIsANormalAnswer) {
    const std::string good = der("below");
    EXPECT_FALSE(keyrings::parse_certificate({}));
    EXPECT_FALSE(keyrings::parse_certificate(as_bytes("garbage")));
    EXPECT_FALSE(keyrings::parse_certificate(as_bytes(read_file(*folder_ / "below.pem"))));
    EXPECT_FALSE(keyrings::parse_certificate(as_bytes(good + '\0')));
    for (std::size_t size = 0; size < good.size(); ++size)
        EXPECT_FALSE(keyrings::parse_certificate(as_bytes(good).first(size)));
    // PKCS#8: a DER SEQUENCE too.
    ASSERT_EQ(run("openssl pkcs8 -topk8 -nocrypt -outform DER -in " +
                  (*folder_ / "below.key").string() + " -out " + (*folder_ / "p8").string())
                  .status,
              0);
    const auto refused = keyrings::parse_certificate(as_bytes(read_file(*folder_ / "p8")));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), "not an X.509 certificate");
    // Each byte changed: an answer, whichever it is.
    for (std::size_t i = 0; i < good.size(); ++i) {
        std::string changed = good;
        changed[i] ^= 0x41;
        (void)keyrings::parse_certificate(as_bytes(changed));
        keyrings::Signers signers(1);
        signers.add_certificate(0, as_bytes(good));
        (void)signers.of(as_bytes(changed));
    }
}

}  // namespace certificate_test
}  // namespace keyscribe::model
