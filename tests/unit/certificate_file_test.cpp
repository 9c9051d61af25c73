// SPDX-License-Identifier: Apache-2.0
// Every form in which certificates are handed in: read whole, or refused.
#include "controller/service/appraise/certificate_file.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "controller/service/appraise/efi_signatures.h"
#include "support.h"
#include "tests/unit/two_certificates.h"

namespace keyscribe::appraise {
namespace certificate_file_test {

using testing::Buffer;
using testing::pem_of;
using testing::replaced;
using testing::run;
using testing::TempDir;
using testing::text_of;
using testing::TwoCertificates;

const TwoCertificates& made() { return TwoCertificates::shared(); }
std::string pem_a() { return pem_of(made().a); }
std::string pem_b() { return pem_of(made().b); }

std::ptrdiff_t lines_in(const std::string& text) {
    return std::count(text.begin(), text.end(), '\n');
}

/// "a", "b" and "?" for each certificate that was read, or "where: what" of the error.
std::string read(const std::string& content) {
    const auto found = read_certificates(as_bytes(content), "f");
    if (!found) return found.error().where + ": " + found.error().what;
    std::string letters;
    for (const FileItem& item : *found)
        letters += item.der == made().a ? 'a' : item.der == made().b ? 'b' : '?';
    return letters;
}

TEST(CertificateFile, PemInEveryFormThatPeopleWrite) {
    const std::string both = pem_a() + pem_b();
    EXPECT_EQ(read(both), "ab");
    EXPECT_EQ(read("subject=CN = A\n# a comment\n\n" + pem_a() + "text\n" + pem_b() + "text"),
              "ab");
    EXPECT_EQ(read(replaced(both, "\n", "\r\n")), "ab");
    EXPECT_EQ(read(replaced(both, "\n", "\r")), "ab") << "CR alone ends a line";
    EXPECT_EQ(read("  " + replaced(both, "\n", " \t\n\t  ")), "ab") << "indented";
    EXPECT_EQ(read("\xef\xbb\xbf" + both), "ab") << "a byte order mark";
    EXPECT_EQ(read(both.substr(0, both.size() - 1)), "ab") << "no line end at the end";
    EXPECT_EQ(read(replaced(both, "CERTIFICATE", "X509 CERTIFICATE")), "ab");
}

TEST(CertificateFile, AsManyCertificatesAsBeginLinesOrRefusedWithItsLine) {
    const std::string end = "-----END CERTIFICATE-----\n";
    const auto without = [](std::string text, const std::string& part, std::size_t from = 0) {
        return text.erase(text.find(part, from), part.size());
    };
    const std::string not_alone = "a BEGIN or END line of PEM that has something else in it";
    EXPECT_EQ(read(without(pem_a() + pem_b(), end)), "f:1: a PEM block without its END line");
    EXPECT_EQ(read("\n" + without(pem_a(), end)), "f:2: a PEM block without its END line");
    EXPECT_EQ(read("\n" + replaced(pem_a(), "-----BEGIN CERTIFICATE-----\n", "") + pem_b()),
              "f:" + std::to_string(lines_in(pem_a())) + ": an END line without its BEGIN line");
    EXPECT_EQ(
        read(pem_b() + replaced(replaced(pem_a(), "-----BEGIN CERTIFICATE-----\n", ""), end, "")),
        "f:" + std::to_string(lines_in(pem_b()) + 1) +
            ": base64 or a digest outside of a PEM block");
    EXPECT_EQ(read("> " + replaced(pem_a(), "\n", "\n> ")), "f:1: " + not_alone) << "quoted";
    EXPECT_EQ(read("\"" + pem_a() + "\""), "f:1: " + not_alone);
    EXPECT_EQ(read(pem_b() + "# " + pem_a()).substr(0, 2), "f:") << "commented out";
    EXPECT_EQ(read(replaced(pem_a(), "\n", "\\n")), "f:1: " + not_alone) << "as JSON has it";
    EXPECT_EQ(read(pem_a().substr(0, pem_a().size() - 1) + pem_b()).substr(0, 2), "f:")
        << "no line end between two";
    EXPECT_EQ(read("----" + pem_a().substr(5)).substr(0, 4), "f:1:") << "a dash too few";
    EXPECT_EQ(read(replaced(pem_a(), "BEGIN", "Begin")).substr(0, 2), "f:");
    EXPECT_EQ(read(replaced(pem_a(), "END CERT", "END X509 CERT")).substr(0, 2), "f:");
    EXPECT_EQ(read(pem_a() + replaced(pem_b(), "MI", "M!")).substr(0, 2), "f:");
    EXPECT_EQ(read(replaced(pem_a(), "-----\nM", "-----\nProc-Type: 4,ENCRYPTED\n\nM")),
              "f:1: a PEM block whose content is not base64");
    EXPECT_EQ(read(pem_of({})), "f:1: a PEM block whose content is not base64");
    Buffer longer = made().a;
    longer.push_back(0);
    EXPECT_EQ(read(pem_b() + pem_of(longer)),
              "f:" + std::to_string(lines_in(pem_b()) + 1) + ": not an X.509 certificate");
    EXPECT_EQ(read(pem_a() + std::string(64, 'a') + "  digest\n"),
              "f:" + std::to_string(lines_in(pem_a()) + 1) +
                  ": base64 or a digest outside of a PEM block")
        << "hex beside PEM";
    EXPECT_EQ(read(pem_a() + "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\nMIIBCgKC\n"),
              "f:" + std::to_string(lines_in(pem_a()) + 2) +
                  ": base64 or a digest outside of a PEM block")
        << "wrapped in short lines";
    EXPECT_EQ(read("Certificates\nof\n\nour\nOrganizationalUnitOfSigners\n" + pem_a()), "a")
        << "words";
    for (const char* label : {"PRIVATE KEY", "X509 CRL", "TRUSTED CERTIFICATE",
                              "CERTIFICATE REQUEST", "ENCRYPTED PRIVATE KEY"})
        EXPECT_EQ(read(pem_a() + pem_of(made().b, label)).substr(0, 2), "f:") << label;
}

TEST(CertificateFile, NothingIsNoFileOfCertificates) {
    EXPECT_EQ(read(""), "f: the file is empty");
    EXPECT_EQ(read("\n \r\n"), "f: no certificate is in it");
    EXPECT_EQ(read("# text alone\n"), "f: no certificate is in it");
    EXPECT_EQ(read(std::string(1, '\0')).substr(0, 10), "f: neither");
}

TEST(CertificateFile, DerEndToEnd) {
    const std::string a = text_of(made().a), b = text_of(made().b);
    EXPECT_EQ(read(a), "a");
    EXPECT_EQ(read(a + b + a), "aba");
    EXPECT_EQ(read(a + b.substr(0, b.size() - 1)).substr(0, 2), "f:");
    EXPECT_EQ(read(a + "\n").substr(0, 2), "f:");
    EXPECT_EQ(read(a + std::string(4, '\0')).substr(0, 2), "f:");
    EXPECT_EQ(read(a + pem_b()).substr(0, 2), "f:") << "PEM behind DER";
    EXPECT_EQ(read(pem_b() + a).substr(0, 2), "f:");
    // A name in it may look like a BEGIN line: the content is DER all the same.
    const Buffer odd = testing::certificate(made().key_a.get(), "-----BEGIN CERTIFICATE-----",
                                            made().key_a.get(), "x");
    EXPECT_EQ(read(text_of(odd)), "?");
    // Windows' editors write UTF-16.
    std::string wide;
    for (const char letter : pem_a()) wide += {letter, '\0'};
    EXPECT_EQ(read(wide).substr(0, 10), "f: neither");
}

TEST(CertificateFile, Pkcs7AsOpensslWritesIt) {
    const TempDir folder;
    testing::write_file(folder / "both.pem", pem_a() + pem_b());
    const std::string make = "cd " + folder.path().string() +
                             " && openssl crl2pkcs7 -nocrl -certfile both.pem -outform ";
    ASSERT_EQ(
        run(make + "DER -out both.p7b && " + make.substr(make.find("openssl")) + "PEM -out both.p7")
            .status,
        0);
    const std::string der = testing::read_file(folder / "both.p7b");
    const std::string pem = testing::read_file(folder / "both.p7");
    EXPECT_EQ(read(der), "ab");
    EXPECT_EQ(read(pem), "ab");
    EXPECT_EQ(read(pem + pem_a()), "aba");
    EXPECT_EQ(read(replaced(pem, "PKCS7", "CERTIFICATE")), "ab");
    EXPECT_EQ(read(der + "x").substr(0, 2), "f:");
    for (std::size_t size = 1; size < der.size(); size += 7)
        EXPECT_EQ(read(der.substr(0, size)).substr(0, 2), "f:") << size;
    // A signature has certificates in it, but says something else.
    testing::write_file(folder / "text", "text");
    ASSERT_EQ(run("(cd " + folder.path().string() +
                  " && openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=s -keyout s.key -out "
                  "s.pem && openssl smime -sign -in text -signer s.pem -inkey s.key -outform DER "
                  "-out signed.p7 -binary)")
                  .status,
              0);
    EXPECT_EQ(read(testing::read_file(folder / "signed.p7")).substr(0, 14), "f: PKCS#7 that");
}

// UEFI Specification 2.10, 32.4.1; as cert-to-efi-sig-list and sbsiglist write them.
void append_le32(std::string& to, std::size_t number) {
    for (int i = 0; i < 4; ++i) to += static_cast<char>(number >> (8 * i));
}
/// "a5c059a1-94e4-4aa7-87b5-ab155c2bf072" as it lies in memory (appendix A).
std::string guid(const std::string& text) {
    const auto bytes = *from_hex(replaced(text, "-", ""));
    std::string moved;
    for (const int i : {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15})
        moved += static_cast<char>(bytes[static_cast<std::size_t>(i)]);
    return moved;
}
const char* const kX509 = "a5c059a1-94e4-4aa7-87b5-ab155c2bf072";
const char* const kX509Sha256 = "3bd2a492-96c0-4079-b420-fcf98ef103ed";
const char* const kSha256 = "c1c41626-504c-4092-aca9-41f936934328";

/// EFI_SIGNATURE_LIST with data of one size each.
std::string list(const std::string& type, const std::vector<std::string>& signatures) {
    const std::size_t size = 16 + signatures.at(0).size();
    std::string text = guid(type);
    append_le32(text, 28 + size * signatures.size());
    append_le32(text, 0);
    append_le32(text, size);
    for (const std::string& data : signatures)
        text += guid("77fa9abd-0359-4d32-bd60-28f4e78f784b") + data;
    return text;
}

/// EFI_VARIABLE_AUTHENTICATION_2 (8.2.2) before `content`; the signature is not looked at.
std::string authenticated(const std::string& content) {
    const std::string signature(100, '\x30');
    std::string text(16, '\0');  // EFI_TIME
    append_le32(text, 8 + 16 + signature.size());
    text += std::string("\x00\x02\xf1\x0e", 4);  // wRevision, WIN_CERT_TYPE_EFI_GUID
    return text + guid("4aafd29d-68df-49ee-8aa9-347d375665a7") + signature + content;
}

TEST(CertificateFile, EfiSignatureLists) {
    const std::string a = text_of(made().a), b = text_of(made().b);
    const std::string esl = list(kX509, {a}) + list(kX509, {b});
    EXPECT_EQ(read(esl), "ab");
    EXPECT_EQ(read(list(kX509, {a, a})), "aa");
    EXPECT_EQ(read(authenticated(esl)), "ab") << ".auth";
    EXPECT_EQ(read(std::string("\x27\0\0\0", 4) + esl), "ab") << "a file of efivarfs";
    EXPECT_EQ(read(authenticated("")), "f: no certificate is in it");
    for (std::size_t size = 1; size < esl.size(); size += testing::kStep) {
        if (size == list(kX509, {a}).size()) continue;
        EXPECT_EQ(read(esl.substr(0, size)).substr(0, 1), "f") << size;
    }
    EXPECT_EQ(read(esl + '\0').substr(0, 1), "f");
    EXPECT_EQ(read(list(kX509, {a + '\0'})), "f: not an X.509 certificate");
    EXPECT_NE(
        read(list(kX509, {a}) + list(kSha256, {std::string(32, 'x')})).find("EFI_CERT_SHA256"),
        std::string::npos)
        << "digests of programs are no certificates";
    // In dbx: what blocked certificates' TBSCertificate hashes to, and when they were revoked.
    const std::string digests = list(kX509Sha256, {std::string(32, 'x') + std::string(16, '\0')});
    EXPECT_EQ(read(digests), "f: digests of certificates, where certificates are expected");
    const auto found = read_certificate_file(as_bytes(digests), "f");
    ASSERT_TRUE(found);
    ASSERT_EQ(found->tbs_digests.size(), 1u);
    EXPECT_EQ(to_hex(found->tbs_digests[0]), to_hex(Buffer(32, 'x')));
}

TEST(CertificateFile, PublicKeysAreKnownAsSuch) {
    const auto view = keyrings::view_certificate(made().a);
    const Buffer spki(view->spki.begin(), view->spki.end());
    EXPECT_EQ(read(pem_of(spki, "PUBLIC KEY")),
              "f:1: a public key, where certificates are expected");
    EXPECT_EQ(read(text_of(spki)), "f: a public key, where certificates are expected");
    const auto found = read_certificate_file(as_bytes(pem_a() + pem_of(spki, "PUBLIC KEY")), "f");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->certificates.size(), 1u);
    ASSERT_EQ(found->public_keys.size(), 1u);
    EXPECT_EQ(found->public_keys[0].der, spki);
    EXPECT_EQ(read(pem_of(Buffer(16, 0), "PUBLIC KEY")), "f:1: a PUBLIC KEY that is damaged");
}

}  // namespace certificate_file_test
}  // namespace keyscribe::appraise
