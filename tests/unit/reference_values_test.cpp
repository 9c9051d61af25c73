// SPDX-License-Identifier: Apache-2.0
// Certificates, keys and digests that an appraisal compares with, as files hold them.
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <filesystem>

#include "controller/service/appraise/openssl.h"
#include "controller/service/appraise/references.h"
#include "support.h"
#include "tests/support/setting.h"

namespace keyscribe::appraise {
namespace reference_values_test {

using testing::Buffer;
using testing::Host;

TEST(ReferenceValues, PemDerAndBundles) {
    const Host host;
    const testing::TempDir directory;
    const auto pem = [](const Buffer& der) {
        Owned<BIO> bio(BIO_new(BIO_s_mem()));
        PEM_write_bio(bio.get(), "CERTIFICATE", "", der.data(), static_cast<long>(der.size()));
        char* text = nullptr;
        const long size = BIO_get_mem_data(bio.get(), &text);
        return std::string(text, static_cast<std::size_t>(size));
    };
    const auto text = [](const Buffer& bytes) { return std::string(bytes.begin(), bytes.end()); };
    std::filesystem::create_directory(directory / ".ima");
    testing::write_file(directory / "a.pem", "a comment\n" + pem(host.builtin) + pem(host.ima));
    testing::write_file(directory / "b.der", text(host.builtin) + text(host.ima));
    testing::write_file(directory / ".ima/c.der", text(host.ima));
    const auto values = ReferenceValues::load(directory);
    ASSERT_TRUE(values) << to_string(values.error());
    ASSERT_EQ(values->all().size(), 5u);
    EXPECT_EQ(values->by_certificate(sha256(host.ima))->size(), 3u);
    EXPECT_EQ(values->by_public_key(sha256(testing::spki_bits(host.ima_key.get())))->size(), 3u);
    EXPECT_EQ(values->all()[0].keyring, ".ima");
    EXPECT_EQ(keyrings::display_name(values->all()[0].view), "File signer");

    testing::write_file(directory / "d.pem",
                        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
    EXPECT_FALSE(ReferenceValues::load(directory));
    testing::write_file(directory / "d.pem", text(host.ima).substr(1));
    EXPECT_FALSE(ReferenceValues::load(directory));
    const testing::TempDir empty;
    EXPECT_FALSE(ReferenceValues::load(empty));
    EXPECT_FALSE(ReferenceValues::load(empty / "none"));
}

TEST(ReferenceValues, CertificatesAsOpenSslReadsThem) {
    const Host host;
    const auto view = keyrings::view_certificate(host.ima);
    ASSERT_TRUE(view);
    const unsigned char* der = host.ima.data();
    const Owned<X509> certificate(d2i_X509(nullptr, &der, static_cast<long>(host.ima.size())));
    std::tm time{};
    ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &time);
    EXPECT_EQ(view->not_after, ::timegm(&time));
    const ASN1_OCTET_STRING* id = X509_get0_subject_key_id(certificate.get());
    ASSERT_TRUE(view->subject_key_id);
    EXPECT_TRUE(std::ranges::equal(
        *view->subject_key_id,
        Bytes(ASN1_STRING_get0_data(id), static_cast<std::size_t>(ASN1_STRING_length(id)))));
    for (std::size_t size = 0; size < host.ima.size(); ++size)
        EXPECT_FALSE(keyrings::view_certificate(Bytes(host.ima).first(size))) << size;
}

TEST(AttestationKeys, AreTheSameInPemAndInTpmtPublic) {
    for (const char* curve : {"P-256", "P-384"}) {
        // A TPM pads a coordinate with zeros, one in 256 begins with one; OpenSSL writes numbers.
        testing::QuoteMaker maker;
        maker.scheme = TPM2_ALG_ECDSA;
        do {
            maker.key = testing::ec_key(curve);
        } while (testing::spki_bits(maker.key.get())[1] != 0);
        const auto key = AttestationKey::from_pem(maker.pem());
        const auto of_tpm = parse_public(maker.tpmt_public());
        ASSERT_TRUE(key && of_tpm) << curve;
        EXPECT_EQ(of_tpm->numbers, key->numbers()) << curve;
        maker.key = testing::ec_key(curve);
        EXPECT_NE(parse_public(maker.tpmt_public())->numbers, key->numbers()) << curve;
    }
    testing::QuoteMaker maker;
    for (const unsigned bits : {2048u, 3072u}) {
        maker.key = testing::rsa_key(bits);
        const auto key = AttestationKey::from_pem(maker.pem());
        const auto of_tpm = parse_public(maker.tpmt_public());
        ASSERT_TRUE(key && of_tpm) << bits;
        EXPECT_EQ(of_tpm->numbers, key->numbers()) << bits;
    }
    maker.key = testing::rsa_key(1024);
    EXPECT_FALSE(parse_public(maker.tpmt_public()));
    EXPECT_FALSE(AttestationKey::from_pem(maker.pem()));
}

}  // namespace reference_values_test
}  // namespace keyscribe::appraise
