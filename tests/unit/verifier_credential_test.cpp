// SPDX-License-Identifier: Apache-2.0
// Credentials that the verifier makes without a TPM, given to a (software) TPM, and to OpenSSL in a
// TPM's place.
#include <gtest/gtest.h>
#include <openssl/x509.h>

#include "controller/service/appraise/quote.h"
#include "controller/service/verifier/credential.h"
#include "controller/service/verifier/tpm_keys.h"
#include "support.h"
#include "tests/support/fleet_host.h"

namespace keyscribe::verifier {
namespace verifier_credential_test {

using testing::Buffer;
using testing::FleetHost;

const Sha256 kValue = sha256(as_bytes("a secret"));

class CredentialsOfTpm : public ::testing::TestWithParam<const char*> {
  protected:
    void tool(const std::string& command) {
        const testing::Output output =
            testing::run("cd " + directory_.path().string() +
                         " && TPM2TOOLS_TCTI=" + swtpm_.tcti() + ' ' + command);
        ASSERT_EQ(output.status, 0) << command << '\n' << output.text;
    }
    Buffer file(const char* name) {
        const std::string text = testing::read_file(directory_ / name);
        return {text.begin(), text.end()};
    }
    /// As tpm2_activatecredential reads it: tpm2-tools' lib/files.c, files_load_bytes_from_...
    /// header.
    void write_credential(const Credential& credential) {
        std::string all("\xba\xdc\xc0\xde\0\0\0\1", 8);
        all += as_text(credential.blob);
        all += as_text(credential.secret);
        testing::write_file(directory_ / "credential", all);
    }

    testing::Swtpm swtpm_;
    testing::TempDir directory_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, CredentialsOfTpm, ::testing::Values("rsa", "ecc"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(CredentialsOfTpm, ATpmGivesTheSecretBack) {
    tool(std::string("tpm2_createek -G ") + GetParam() + " -c ek.ctx -u ek.pub");
    tool("tpm2_createak -C ek.ctx -c ak.ctx -G ecc -g sha256 -s ecdsa -u ak.pub -n ak.name");
    tool("tpm2_flushcontext -t");
    const auto ek = parse_tpm2b_public(file("ek.pub"), "ek");
    ASSERT_TRUE(ek) << to_string(ek.error());
    EXPECT_TRUE(check_endorsement_key(*ek));
    const Buffer ak = file("ak.pub");
    const auto found = appraise::parse_public(Bytes(ak).subspan(2));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->name, file("ak.name"));
    const auto credential = make_credential(*ek, found->name, kValue);
    ASSERT_TRUE(credential) << to_string(credential.error());
    write_credential(*credential);
    tool("tpm2_startauthsession --policy-session -S session");
    tool("tpm2_policysecret -S session -c e");
    tool("tpm2_activatecredential -c ak.ctx -C ek.ctx -i credential -o secret -P session:session");
    EXPECT_EQ(file("secret"), Buffer(kValue.begin(), kValue.end()));
}

TEST_P(CredentialsOfTpm, ATpmRefusesACredentialForAnotherKey) {
    tool(std::string("tpm2_createek -G ") + GetParam() + " -c ek.ctx -u ek.pub");
    tool("tpm2_createak -C ek.ctx -c ak.ctx -G ecc -g sha256 -s ecdsa -u ak.pub -n ak.name");
    tool("tpm2_flushcontext -t");
    const auto ek = parse_tpm2b_public(file("ek.pub"), "ek");
    ASSERT_TRUE(ek);
    Buffer other = file("ak.name");
    other.back() ^= 1;
    write_credential(*make_credential(*ek, other, kValue));
    tool("tpm2_startauthsession --policy-session -S session");
    tool("tpm2_policysecret -S session -c e");
    const testing::Output output = testing::run(
        "cd " + directory_.path().string() + " && TPM2TOOLS_TCTI=" + swtpm_.tcti() +
        " tpm2_activatecredential -c ak.ctx -C ek.ctx -i credential -o secret -P session:session");
    EXPECT_NE(output.status, 0);
    EXPECT_NE(output.text.find("integrity"), std::string::npos) << output.text;
}

TEST(Credentials, TheSoftwareHostsOfTestsReadThemAlike) {
    for (const bool ecc : {false, true}) {
        const FleetHost host("host", ecc);
        const auto ek = parse_tpm2b_public(host.ek.tpm2b_public(), "ek");
        ASSERT_TRUE(ek);
        const auto credential = make_credential(*ek, host.ak_name(), kValue);
        ASSERT_TRUE(credential);
        EXPECT_EQ(host.ek.activate(credential->blob, credential->secret, host.ak_name()),
                  Buffer(kValue.begin(), kValue.end()));
    }
}

TEST(EndorsementKeys, ThatASignerCouldBeAreRefused) {
    FleetHost host("host");
    const auto refused = [&](TPMA_OBJECT attributes) {
        host.ek.attributes = attributes;
        const auto key = parse_tpm2b_public(host.ek.tpm2b_public(), "ek");
        return key && !check_endorsement_key(*key);
    };
    const TPMA_OBJECT good = host.ek.attributes;
    EXPECT_FALSE(refused(good));
    for (const TPMA_OBJECT missing :
         {TPMA_OBJECT_FIXEDTPM, TPMA_OBJECT_FIXEDPARENT, TPMA_OBJECT_SENSITIVEDATAORIGIN,
          TPMA_OBJECT_RESTRICTED, TPMA_OBJECT_DECRYPT})
        EXPECT_TRUE(refused(good & ~missing)) << missing;
    EXPECT_TRUE(refused(good | TPMA_OBJECT_SIGN_ENCRYPT));
}

TEST(TpmKeys, HaveTheSubjectPublicKeyInfoThatOpenSslWrites) {
    for (const bool ecc : {false, true}) {
        const FleetHost host("host", ecc);
        const auto key = parse_tpm2b_public(host.ek.tpm2b_public(), "ek");
        ASSERT_TRUE(key);
        unsigned char* der = nullptr;
        const int size = i2d_PUBKEY(host.ek.key(), &der);
        EXPECT_EQ(*public_key_der(*key, "ek"), Buffer(der, der + size));
        OPENSSL_free(der);
    }
}

TEST(TpmKeys, OfNoKindThatIsKnownAreRefused) {
    EXPECT_FALSE(parse_tpm2b_public(as_bytes("nothing"), "ek"));
    Buffer bytes = testing::EndorsementKey().tpm2b_public();
    bytes.push_back(0);
    EXPECT_FALSE(parse_tpm2b_public(bytes, "ek"));
}

}  // namespace verifier_credential_test
}  // namespace keyscribe::verifier
