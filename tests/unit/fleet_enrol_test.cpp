// SPDX-License-Identifier: Apache-2.0
// keyscribe enrol, against a software TPM and an HTTPS server that has tpm2-tools make the
// credential.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "controller/base/base64.h"
#include "controller/host/fleet/enrolment_file.h"
#include "support.h"
#include "tests/support/tls_server.h"

namespace keyscribe::fleet {
namespace fleet_enrol_test {

using nlohmann::json;
using testing::HttpsReply;
using testing::HttpsRequest;
using testing::read_file;
using testing::TempDir;
using testing::TlsServer;
using testing::write_file;

const std::string kSecret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ";
const std::string kHost = "0123456789abcdef0123456789abcdef";
const std::string kProof = "0123456789abcdef0123456789abcdef";

HttpsReply problem(int status, const std::string& word, const std::string& detail) {
    return {.status = status,
            .content_type = "application/problem+json; charset=utf-8",
            .body = json{{"type", "urn:keyscribe:problem:" + word},
                         {"title", "Refused"},
                         {"status", status},
                         {"detail", detail}}
                        .dump()};
}

class Enrol : public ::testing::Test {
  protected:
    Enrol() {
        write_file(folder_ / "config",
                   "[tpm]\ntcti = \"" + swtpm_.tcti() +
                       "\"\n[attest]\nek = \"ecc\"\n[verifier]\ndirectory = \"" + state().string() +
                       "\"\n");
    }

    std::filesystem::path state() const { return folder_ / "state"; }

    HttpsReply answer(const HttpsRequest& request) {
        asked_.push_back(request.method + ' ' + request.target);
        if (request.target == "/v1/enrolments") return challenge(json::parse(request.body));
        if (request.target == "/v1/enrolments/e1/activation") {
            const auto secret =
                from_base64(json::parse(request.body).at("credential").get<std::string>());
            if (!secret || as_text(*secret) != kProof)
                return problem(403, "not-proven", "this is another TPM");
        }
        return {.body = json{{"state", next_state()}, {"host", kHost}, {"reason", reason_}}.dump()};
    }

    /// By tpm2_makecredential, for the name that openssl gives to the public area.
    HttpsReply challenge(const json& body) {
        body_ = body;
        if (body.at("token") != kSecret) return problem(401, "token", "this token is of nobody");
        const auto ek = from_base64(body.at("ek").at("public").get<std::string>()).value();
        const auto ak = from_base64(body.at("ak").at("public").get<std::string>()).value();
        write_file(folder_ / "ek.pub", as_text(ek));
        write_file(folder_ / "secret", kProof);
        write_file(folder_ / "ak", as_text(Bytes(ak).subspan(2)));
        const auto digest =
            testing::run("openssl dgst -sha256 -r " + (folder_ / "ak").string()).text.substr(0, 64);
        const auto made =
            testing::run("cd " + folder_.path().string() +
                         " && tpm2_makecredential -T none -u ek.pub -s secret -n 000b" + digest +
                         " -o credential");
        EXPECT_EQ(made.status, 0) << made.text;
        std::string credential = read_file(folder_ / "credential").substr(8);
        const std::size_t size = 2 + (static_cast<unsigned char>(credential[0]) << 8 |
                                      static_cast<unsigned char>(credential[1]));
        if (spoil_) credential[10] ^= 1;
        return {.status = 201,
                .body = json{{"id", "e1"},
                             {"credential", to_base64(as_bytes(credential.substr(0, size)))},
                             {"secret", to_base64(as_bytes(credential.substr(size)))},
                             {"expires", "2026-12-01T00:00:00Z"}}
                            .dump()};
    }

    std::string next_state() {
        const std::string now = states_.front();
        if (states_.size() > 1) states_.erase(states_.begin());
        return now;
    }

    testing::Output run(const std::string& arguments) {
        return testing::run(KEYSCRIBE " --config " + (folder_ / "config").string() +
                            " enrol --no-units " + arguments);
    }
    std::string token() const { return "--token " + kSecret + '.' + server_.pin(); }

    testing::Swtpm swtpm_;
    TempDir folder_;
    std::vector<std::string> asked_, states_ = {"waiting"};
    std::string reason_;
    json body_;
    bool spoil_ = false;
    TlsServer server_{[this](const HttpsRequest& request) { return answer(request); }};
};

TEST_F(Enrol, AHostShowsWhatItsTpmIsAndWaits) {
    const auto done = run(server_.url() + ' ' + token() + " --name web-1.example");
    EXPECT_EQ(done.status, 0) << done.text;
    EXPECT_NE(done.text.find("waiting for an operator's yes: the host is " + kHost),
              std::string::npos)
        << done.text;
    EXPECT_EQ(asked_, (std::vector<std::string>{"POST /v1/enrolments",
                                                "POST /v1/enrolments/e1/activation"}));
    EXPECT_EQ(body_.at("name"), "web-1.example");
    EXPECT_FALSE(body_.at("ek").contains("certificate")) << "a bare swtpm has none";
    const auto kept = read_enrolment(state()).value().value();
    EXPECT_EQ(kept.verifier.url(), server_.url());
    EXPECT_EQ(kept.verifier.pin, server_.pin());
    EXPECT_EQ(kept.host, kHost);
    EXPECT_EQ(kept.id, "e1");
    EXPECT_EQ(kept.name, "web-1.example");
    EXPECT_EQ(read_file(state() / kEnrolmentFile).find(kSecret), std::string::npos);
    // What tpm2-tools read at the handle is what the verifier was told.
    const auto shown = testing::run("tpm2_readpublic -Q -T " + swtpm_.tcti() +
                                    " -c 0x8101004b -f tpmt -o " + (folder_ / "tpmt").string());
    ASSERT_EQ(shown.status, 0) << shown.text;
    EXPECT_EQ(read_file(folder_ / "tpmt"), read_file(folder_ / "ak"));
}

TEST_F(Enrol, TheSameKeyIsTakenASecondTime) {
    ASSERT_EQ(run(server_.url() + ' ' + token() + " --name a").status, 0);
    const json first = body_;
    const auto again = run(server_.url() + ' ' + token() + " --name b");
    EXPECT_EQ(again.status, 0) << again.text;
    EXPECT_EQ(body_.at("ak"), first.at("ak"));
    EXPECT_EQ(read_enrolment(state()).value()->name, "b");
}

TEST_F(Enrol, ACertificateAndItsChainAreSent) {
    const std::string at = " -T " + swtpm_.tcti() + " -Q -C o ";
    for (const std::string& command :
         {std::string("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
                      "-keyout key -subj /CN=ek -outform DER -out ek.crt"),
          "tpm2_nvdefine" + at + "-s 1200 -a 'ownerwrite|authread|ownerread' 0x01c0000a",
          "tpm2_nvwrite" + at + "-i ek.crt 0x01c0000a",
          "tpm2_nvdefine" + at + "-s 1200 -a 'ownerwrite|authread|ownerread' 0x01c00100",
          "tpm2_nvwrite" + at + "-i ek.crt 0x01c00100"}) {
        const auto done = testing::run("cd " + folder_.path().string() + " && " + command);
        ASSERT_EQ(done.status, 0) << done.text;
    }
    ASSERT_EQ(run(server_.url() + ' ' + token()).status, 0);
    const std::string der = to_base64(as_bytes(read_file(folder_ / "ek.crt")));
    EXPECT_EQ(body_.at("ek").at("certificate"), der);
    EXPECT_EQ(body_.at("ek").at("chain"), json::array({der}));
}

TEST_F(Enrol, TheTokenComesFromAFileOrFromStdin) {
    write_file(folder_ / "token", kSecret + '.' + server_.pin() + '\n');
    const std::string file = (folder_ / "token").string();
    EXPECT_EQ(run(server_.url() + " --token-file " + file).status, 0);
    EXPECT_EQ(
        testing::run("cat " + file + " | " KEYSCRIBE " --config " + (folder_ / "config").string() +
                     " enrol --no-units " + server_.url() + " --token-file -")
            .status,
        0);
    EXPECT_NE(run(server_.url() + " --token-file " + file + ".no").status, 0);
    EXPECT_NE(run(server_.url()).status, 0);
    EXPECT_NE(run(server_.url() + " --token abc").status, 0);
    EXPECT_EQ(asked_.size(), 4u);
}

TEST_F(Enrol, WaitingEndsWithTheYes) {
    states_ = {"waiting", "waiting", "accepted"};
    const auto done = run(server_.url() + ' ' + token() + " --wait");
    EXPECT_EQ(done.status, 0) << done.text;
    EXPECT_TRUE(done.text.ends_with("accepted\n")) << done.text;
    EXPECT_EQ(asked_.back(), "GET /v1/enrolments/e1");
    states_ = {"waiting"};
    const auto none = run(server_.url() + ' ' + token() + " --wait --timeout 1");
    EXPECT_EQ(none.status, 1);
    EXPECT_NE(none.text.find("nobody has said yes yet"), std::string::npos) << none.text;
    states_ = {"waiting", "refused"};
    reason_ = "not one of ours";
    const auto refused = run(server_.url() + ' ' + token() + " --wait");
    EXPECT_EQ(refused.status, 1);
    EXPECT_NE(refused.text.find("not one of ours"), std::string::npos) << refused.text;
}

TEST_F(Enrol, WhatTheVerifierRefusesIsNotKept) {
    const auto wrong =
        run(server_.url() + " --token " + std::string(42, 'x') + "w." + server_.pin());
    EXPECT_EQ(wrong.status, 1);
    EXPECT_NE(wrong.text.find("this token is of nobody"), std::string::npos) << wrong.text;
    EXPECT_NE(wrong.text.find("new token"), std::string::npos) << wrong.text;
    states_ = {"refused"};
    EXPECT_EQ(run(server_.url() + ' ' + token()).status, 1);
    states_ = {"no such state"};
    EXPECT_EQ(run(server_.url() + ' ' + token()).status, 1);
    // A credential of another TPM.
    spoil_ = true;
    const auto spoiled = run(server_.url() + ' ' + token());
    EXPECT_EQ(spoiled.status, 1);
    EXPECT_NE(spoiled.text.find("TPM2_ActivateCredential"), std::string::npos) << spoiled.text;
    EXPECT_FALSE(read_enrolment(state()).value());
}

TEST_F(Enrol, AnotherVerifierGetsNeitherKeyNorToken) {
    const TlsServer other([](const HttpsRequest&) { return HttpsReply{}; });
    const auto done = run(other.url() + ' ' + token());
    EXPECT_EQ(done.status, 1);
    EXPECT_NE(done.text.find(other.pin()), std::string::npos) << done.text;
    EXPECT_EQ(other.requests(), 0u);
}

TEST_F(Enrol, OneVerifierIsLeftForAnotherOnlyWhereThatIsSaid) {
    ASSERT_EQ(run(server_.url() + ' ' + token()).status, 0);
    TlsServer other([this](const HttpsRequest& request) { return answer(request); });
    const std::string to = other.url() + " --token " + kSecret + '.' + other.pin();
    const auto refused = run(to);
    EXPECT_EQ(refused.status, 1);
    EXPECT_NE(refused.text.find("--replace"), std::string::npos) << refused.text;
    EXPECT_EQ(run(to + " --replace").status, 0);
    EXPECT_EQ(read_enrolment(state()).value()->verifier.url(), other.url());
}

TEST_F(Enrol, AnEnrolmentThatOthersCanWriteIsNotBelieved) {
    ASSERT_EQ(run(server_.url() + ' ' + token()).status, 0);
    const auto file = state() / kEnrolmentFile;
    std::filesystem::permissions(file, std::filesystem::perms(0646));
    EXPECT_FALSE(read_enrolment(state()));
    std::filesystem::permissions(file, std::filesystem::perms(0644));
    const std::string whole = read_file(file);
    for (const std::string& wrong : {std::string(), std::string("[]"), whole.substr(0, 40),
                                     std::string(R"({"url":"http://x"})")}) {
        write_file(file, wrong);
        EXPECT_FALSE(read_enrolment(state())) << wrong;
    }
}

TEST_F(Enrol, NamesAreThoseThatAVerifierTakes) {
    for (const std::string& bad :
         {std::string("'a b'"), std::string("a/b"), std::string("'<b>'"), std::string(254, 'a')})
        EXPECT_EQ(run(server_.url() + ' ' + token() + " --name " + bad).status, 1) << bad;
    EXPECT_TRUE(asked_.empty());
}

}  // namespace fleet_enrol_test
}  // namespace keyscribe::fleet
