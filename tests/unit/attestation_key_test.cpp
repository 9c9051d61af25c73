// SPDX-License-Identifier: Apache-2.0
// The files of attestation keys.
#include <gtest/gtest.h>

#include "controller/service/appraise/quote.h"
#include "support.h"
#include "tests/unit/two_certificates.h"

namespace keyscribe::appraise {
namespace attestation_key_test {

using testing::Buffer;
using testing::pem_of;
using testing::text_of;
using testing::TwoCertificates;

const TwoCertificates& made() { return TwoCertificates::shared(); }

Buffer spki(EVP_PKEY* key) {
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key, &der);
    const Buffer bytes(der, der + size);
    OPENSSL_free(der);
    return bytes;
}

std::string error_of(const std::string& content) {
    const auto key = AttestationKey::parse(content, "ak");
    return key ? "" : key.error().where + ": " + key.error().what;
}

TEST(AttestationKeyFile, InEachFormTheSameKey) {
    const Buffer der = spki(made().key_a.get());
    for (const std::string& content :
         {pem_of(der, "PUBLIC KEY"), text_of(der), pem_of(made().a), text_of(made().a),
          "  " + pem_of(made().a), testing::replaced(pem_of(der, "PUBLIC KEY"), "\n", "\r")}) {
        const auto key = AttestationKey::parse(content, "ak");
        ASSERT_TRUE(key) << to_string(key.error());
        EXPECT_EQ(key->der(), der);
    }
}

TEST(AttestationKeyFile, OnEachCurveOfTpms) {
    for (const char* curve : {"P-256", "P-384", "P-521"})
        EXPECT_EQ(error_of(pem_of(spki(testing::ec_key(curve).get()), "PUBLIC KEY")), "") << curve;
    EXPECT_EQ(error_of(pem_of(spki(testing::ec_key("secp256k1").get()), "PUBLIC KEY")),
              "ak: neither RSA nor ECC on P-256, P-384 or P-521");
    EXPECT_EQ(error_of(pem_of(spki(testing::rsa_key(1024).get()), "PUBLIC KEY")),
              "ak: an RSA key of fewer than 2048 bits");
}

TEST(AttestationKeyFile, WithTwoKeysOrNoneIsRefused) {
    const std::string a = pem_of(spki(made().key_a.get()), "PUBLIC KEY");
    const std::string b = pem_of(spki(made().key_b.get()), "PUBLIC KEY");
    EXPECT_EQ(error_of(a + b), "ak: it has 2 keys: only one may be in it");
    EXPECT_EQ(error_of(a + pem_of(made().a)), "ak: it has 2 keys: only one may be in it");
    EXPECT_EQ(error_of(pem_of(made().a) + pem_of(made().b)),
              "ak: it has 2 keys: only one may be in it");
    EXPECT_EQ(error_of("# nothing\n"), "ak: no public key is in it");
    EXPECT_EQ(error_of(""), "ak: the file is empty");
    EXPECT_EQ(error_of(a.substr(0, a.size() - 30)).substr(0, 5), "ak:1:");
    EXPECT_EQ(error_of(pem_of(Buffer(40, 1), "EC PRIVATE KEY")).substr(0, 5), "ak:1:");
    EXPECT_EQ(error_of("> " + a).substr(0, 5), "ak:1:");
}

}  // namespace attestation_key_test
}  // namespace keyscribe::appraise
