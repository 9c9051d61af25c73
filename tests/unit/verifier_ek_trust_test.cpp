// SPDX-License-Identifier: Apache-2.0
// Who vouches for an endorsement key: certificates that swtpm_localca and openssl made, and a list.
#include <openssl/pem.h>
#include <unistd.h>

#include "controller/keyrings/certificate_view.h"
#include "support.h"
#include "verifier_fleet.h"

namespace keyscribe::verifier {
namespace verifier_ek_trust_test {

namespace fs = std::filesystem;
using testing::FleetHost;
using testing::TempDir;

std::vector<std::uint8_t> bytes_of(const fs::path& file) {
    const std::string text = testing::read_file(file);
    return {text.begin(), text.end()};
}

void must_run(const TempDir& folder, const std::string& command) {
    const auto output = testing::run("cd " + folder.path().string() + " && " + command);
    ASSERT_EQ(output.status, 0) << command << output.text;
}

/// What a folder of CAs and a list of keys say of a certificate for the key in it.
std::string judge(const Settings& settings, Bytes certificate,
                  const std::vector<std::vector<std::uint8_t>>& chain = {}) {
    const auto trust = EkTrust::load(settings);
    if (!trust) return to_string(trust.error());
    const auto view = keyrings::view_certificate(certificate);
    const auto judged = trust->judge(view ? view->spki : Bytes(), certificate, chain);
    return judged ? judged->value_or("nobody") : to_string(judged.error());
}

/// A vendor's root and the CA under it, and a folder in which a test puts what it trusts.
class EkCertificates : public ::testing::Test {
  protected:
    void SetUp() override {
        fs::create_directory(folder_ / "trusted");
        settings_.enrol.ca = folder_ / "trusted";
    }
    void trust(const std::string& file) {
        fs::copy_file(folder_ / file, folder_ / "trusted" / fs::path(file).filename());
    }
    std::vector<std::uint8_t> der(const std::string& pem) {
        must_run(folder_, "openssl x509 -in " + pem + " -outform DER -out converted");
        return bytes_of(folder_ / "converted");
    }
    /// For the key in public.pem, issued by NAME.pem with NAME.key.
    std::vector<std::uint8_t> issue(const std::string& name, const std::string& days = "-days 9",
                                    const std::string& extensions = {}) {
        testing::write_file(folder_ / "extensions", extensions);
        must_run(folder_, "openssl req -new -key " + name +
                              ".key -subj /CN=x -out x.csr && "
                              "openssl x509 -req -in x.csr -force_pubkey public.pem -CA " +
                              name + ".pem -CAkey " + name +
                              ".key -CAcreateserial -extfile extensions " + days +
                              " -outform DER -out ek.der");
        return bytes_of(folder_ / "ek.der");
    }
    void make_vendor() {
        must_run(folder_,
                 "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
                 "-keyout vendor.key -subj /CN=Vendor -out vendor.pem");
        must_run(folder_,
                 "openssl ecparam -name prime256v1 -genkey -noout -out ek.key && "
                 "openssl pkey -in ek.key -pubout -out public.pem");
    }

    TempDir folder_;
    Settings settings_;
};

TEST_F(EkCertificates, OfSwtpmAreAcceptedByTheirRootOrTheirIssuer) {
    const std::string at = folder_.path().string() + '/';
    testing::write_file(folder_ / "localca.conf", "statedir = " + at + "ca\nsigningkey = " + at +
                                                      "ca/sign.key\nissuercert = " + at +
                                                      "ca/issuer.pem\ncertserial = " + at +
                                                      "ca/serial\n");
    testing::write_file(folder_ / "options", "");
    testing::write_file(folder_ / "setup.conf",
                        "create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = " +
                            at + "localca.conf\ncreate_certs_tool_options = " + at + "options\n");
    must_run(folder_,
             "mkdir ca state certs && swtpm_setup --tpm2 --tpmstate state --config "
             "setup.conf --create-ek-cert --write-ek-cert-files certs" +
                 std::string(::getuid() == 0 ? " --runas root" : ""));
    const auto issuer = der("ca/issuer.pem");
    unsigned count = 0;
    for (const auto& file : fs::directory_iterator(folder_ / "certs")) {
        const auto certificate = bytes_of(file.path());
        EXPECT_EQ(judge(settings_, certificate, {issuer}), "nobody");
        ++count;
    }
    EXPECT_EQ(count, 2u);  // RSA and ECC
    trust("ca/swtpm-localca-rootca-cert.pem");
    for (const auto& file : fs::directory_iterator(folder_ / "certs")) {
        const auto certificate = bytes_of(file.path());
        EXPECT_EQ(judge(settings_, certificate), "nobody");
        EXPECT_TRUE(judge(settings_, certificate, {issuer}).starts_with("chain: /CN=swtpm"))
            << judge(settings_, certificate, {issuer});
    }
    // A folder may have the issuer alone.
    fs::remove(folder_ / "trusted/swtpm-localca-rootca-cert.pem");
    trust("ca/issuer.pem");
    for (const auto& file : fs::directory_iterator(folder_ / "certs"))
        EXPECT_TRUE(judge(settings_, bytes_of(file.path())).starts_with("chain: "));
}

TEST_F(EkCertificates, WhatIsNoCertificateOfTheKeyIsRefused) {
    make_vendor();
    trust("vendor.pem");
    auto good = issue("vendor");
    EXPECT_EQ(judge(settings_, good), "chain: /CN=Vendor");
    EXPECT_EQ(judge(settings_, issue("vendor", "-days -1")), "nobody");
    // Of another vendor with the same name.
    must_run(folder_, "mkdir old && mv vendor.* old");
    make_vendor();
    EXPECT_EQ(judge(settings_, issue("vendor")), "nobody");
    auto flipped = good;
    flipped[flipped.size() - 5] ^= 1;
    EXPECT_EQ(judge(settings_, flipped), "nobody");
    good.push_back(0);
    EXPECT_TRUE(judge(settings_, good).starts_with("ek.certificate: not an X.509 certificate"));
    const auto trust = EkTrust::load(settings_);
    EXPECT_FALSE(trust->judge(Bytes(), flipped, {}));
    EXPECT_TRUE(judge(settings_, as_bytes("nothing")).starts_with("ek.certificate"));
}

/// A vendor's CA has other certificates, too: of its web servers, of attestation keys, of
/// platforms.
TEST_F(EkCertificates, ForOtherUsesVouchForNobody) {
    make_vendor();
    trust("vendor.pem");
    const auto for_uses = [&](const std::string& uses) {
        return judge(settings_, issue("vendor", "-days 9", uses));
    };
    EXPECT_EQ(for_uses("extendedKeyUsage=2.23.133.8.1\n"), "chain: /CN=Vendor");
    EXPECT_EQ(for_uses("extendedKeyUsage=critical,serverAuth,2.23.133.8.1\n"), "chain: /CN=Vendor");
    EXPECT_EQ(for_uses("keyUsage=keyEncipherment\n"), "chain: /CN=Vendor");
    for (const char* other : {"extendedKeyUsage=serverAuth\n", "extendedKeyUsage=2.23.133.8.3\n",
                              "extendedKeyUsage=anyExtendedKeyUsage\n",
                              "extendedKeyUsage=DER:0500\n", "basicConstraints=critical,CA:true\n"})
        EXPECT_EQ(for_uses(other), "nobody") << other;
}

TEST_F(EkCertificates, AnEndorsementKeyThatIssuesCertificatesIsNoCa) {
    make_vendor();
    trust("vendor.pem");
    const auto first = issue("vendor");
    must_run(folder_, "openssl x509 -inform DER -in ek.der -out ek.pem");
    const auto second = issue("ek");
    EXPECT_EQ(judge(settings_, second, {first}), "nobody");
}

TEST_F(EkCertificates, AListHasKeysWithoutCertificates) {
    const FleetHost listed("web", true), other("db", true);
    const auto digest = [](const FleetHost& host) {
        unsigned char* der = nullptr;
        const int size = i2d_PUBKEY(host.ek.key(), &der);
        std::vector<std::uint8_t> spki(der, der + size);
        OPENSSL_free(der);
        return std::pair(spki, to_hex(sha256(spki)));
    };
    settings_.enrol.eks = folder_ / "eks";
    testing::write_file(folder_ / "eks", "# ours\n\n" + digest(listed).second + " rack 7\n");
    const auto trust = EkTrust::load(settings_);
    ASSERT_TRUE(trust);
    EXPECT_EQ(trust->judge(digest(listed).first, {}, {}).value(), "list");
    EXPECT_FALSE(trust->judge(digest(other).first, {}, {}).value().has_value());
    testing::write_file(folder_ / "eks", "# ours\n1234\n");
    EXPECT_EQ(judge(settings_, {}),
              (folder_ / "eks").string() + ":2: not the SHA-256 of an endorsement key, in hex");
}

class FleetVendor : public Fleet {};
FLEET_ON_BOTH_ENGINES(FleetVendor);

TEST_P(FleetVendor, AHostOfAKnownVendorWaitsForNobody) {
    const TempDir folder;
    fs::create_directory(folder / "trusted");
    const FleetHost host("web", true);
    std::FILE* file = std::fopen((folder / "public.pem").c_str(), "w");
    PEM_write_PUBKEY(file, host.ek.key());
    std::fclose(file);
    must_run(
        folder,
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key "
        "-subj /CN=Vendor -out trusted/ca.pem && openssl req -new -key ca.key -subj /CN=x -out "
        "x.csr && openssl x509 -req -in x.csr -force_pubkey public.pem -CA trusted/ca.pem "
        "-CAkey ca.key -CAserial serial -CAcreateserial -outform DER -out ek.der");
    settings_.enrol.ca = folder / "trusted";
    service_ = open();
    nlohmann::json body = host.enrolment(token_);
    body["ek"]["certificate"] = to_base64(bytes_of(folder / "ek.der"));
    const auto begun = service_->enrolments->begin(body);
    ASSERT_TRUE(begun) << to_json(begun.error());
    const auto bytes = from_base64(host.activation(*begun)["credential"].get<std::string>());
    const auto proven = service_->enrolments->activate((*begun)["id"], *bytes);
    ASSERT_TRUE(proven);
    EXPECT_EQ((*proven)["state"], "accepted");
    EXPECT_EQ(find_host(*service_->database, (*proven)["host"]).value()->accepted_by,
              "chain: /CN=Vendor");
    // Another host's endorsement key, with this certificate.
    body = FleetHost("other", true).enrolment(token_);
    body["ek"]["certificate"] = to_base64(bytes_of(folder / "ek.der"));
    EXPECT_EQ(service_->enrolments->begin(body).error().word, "ek");
}

}  // namespace verifier_ek_trust_test
}  // namespace keyscribe::verifier
