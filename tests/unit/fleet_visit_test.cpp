// SPDX-License-Identifier: Apache-2.0
// A visit to the verifier: which evidence is sent, what is believed of the answers, and what
// keyscribe attest and status say of it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "controller/base/base64.h"
#include "controller/evidence/evidence.h"
#include "controller/host/attest/ak.h"
#include "controller/host/attest/collect.h"
#include "controller/host/fleet/last_visit.h"
#include "controller/host/fleet/visit.h"
#include "controller/host/measure/measurement_log.h"
#include "controller/list/template_data.h"
#include "support.h"
#include "tests/support/tls_server.h"

namespace keyscribe::fleet {
namespace fleet_visit_test {

using nlohmann::json;
using testing::HttpsReply;
using testing::HttpsRequest;
using testing::TempDir;
using testing::TlsServer;

constexpr std::string_view kSession = "/challenge-response/v1/session/";

HttpsReply problem(int status, const std::string& word) {
    return {.status = status,
            .content_type = "application/problem+json",
            .body = json{{"type", "urn:keyscribe:problem:" + word}, {"title", word}}.dump()};
}

/// A verifier that gives nonces and believes everything.
class FakeVerifier {
  public:
    json kept;                           ///< of the host: "keyscribe" of its session
    std::string enrolment = "accepted";  ///< its state
    std::string status = "affirming";    ///< of the result
    std::string nonce_in_result;         ///< where it is not the session's
    std::vector<std::string> targets;    ///< what was asked
    std::vector<std::string> evidence;   ///< what was sent
    std::vector<HttpsReply> refusals;    ///< of evidence, before it is taken
    json session_edit = json::object();  ///< members of the session that are others
    std::string location;                ///< the session's, where it is another
    std::function<void()> when_taken = [] {};

    HttpsReply answer(const HttpsRequest& request) {
        targets.push_back(request.method + ' ' + request.target);
        if (request.target.starts_with("/challenge-response/v1/newSession")) return new_session();
        if (request.target.starts_with("/v1/enrolments/"))
            return {.body = json{{"state", enrolment}, {"host", std::string(32, 'a')}}.dump()};
        if (!request.target.starts_with(kSession)) return problem(404, "route");
        EXPECT_EQ(request.content_type, kEvidenceType);
        evidence.push_back(request.body);
        if (!refusals.empty()) {
            const HttpsReply refusal = refusals.front();
            refusals.erase(refusals.begin());
            return refusal;
        }
        when_taken();
        const std::string nonce = request.target.substr(kSession.size());
        const json claims = {{"eat_nonce", nonce_in_result.empty() ? nonce : nonce_in_result},
                             {"submods", {{"keyscribe", {{"ear_status", status}}}}}};
        return {.body = json{{"status", "complete"},
                             {"result", "e30." + to_base64url(as_bytes(claims.dump())) + ".x"}}
                            .dump()};
    }

  private:
    HttpsReply new_session() {
        const std::string nonce =
            to_base64url(sha256(as_bytes(std::to_string(++sessions_))));  // 32 bytes
        json session = {{"nonce", nonce},
                        {"expiry", "2026-12-01T00:00:00Z"},
                        {"accept", {kEvidenceType, "application/cmw+cbor"}},
                        {"status", "waiting"}};
        if (!kept.is_null()) session["keyscribe"] = kept;
        session.update(session_edit);
        return {
            .status = 201,
            .content_type = "application/vnd.veraison.challenge-response-session+json",
            .body = session.dump(),
            .headers = {{"Location", location.empty() ? std::string(kSession) + nonce : location}}};
    }
    unsigned sessions_ = 0;
};

class FleetVisit : public ::testing::Test {
  protected:
    FleetVisit() {
        enrolment_.verifier = parse_url(server_.url()).value();
        enrolment_.verifier.pin = server_.pin();
        enrolment_.id = "e1";
        enrolment_.host = std::string(32, 'a');
        enrolment_.ak_handle = 0x8101004b;
    }

    /// With evidence that says what was asked for.
    Answered<Visit> run() {
        auto connection = Connection::open(enrolment_.verifier);
        if (!connection) return without_answer(connection.error());
        return visit(*connection, enrolment_, "this-boot",
                     [this](const Challenged& wanted) -> Result<std::vector<std::uint8_t>> {
                         if (wanted.since > entries_) return fail("the list has fewer");
                         const std::string text =
                             std::to_string(wanted.since) + ' ' + std::to_string(wanted.ima_since);
                         return std::vector<std::uint8_t>(text.begin(), text.end());
                     });
    }

    FakeVerifier verifier_;
    std::uint64_t entries_ = 100;
    Enrolment enrolment_;
    TlsServer server_{[this](const HttpsRequest& request) { return verifier_.answer(request); }};
};

TEST_F(FleetVisit, AllIsSentToAVerifierThatHasNothing) {
    const auto done = run();
    ASSERT_TRUE(done) << to_string(done.error().error);
    EXPECT_EQ(done->verdict, Verdict::kAffirmed);
    EXPECT_TRUE(done->whole);
    EXPECT_EQ(verifier_.evidence, std::vector<std::string>{"0 0"});
    EXPECT_EQ(verifier_.targets.front(),
              "POST /challenge-response/v1/newSession?nonceSize=32&host=" + enrolment_.host);
    EXPECT_EQ(server_.connections(), 1u);
}

TEST_F(FleetVisit, WhatIsNewIsSentWhereTheBootIsTheSame) {
    verifier_.kept = {{"boot_id", "this-boot"}, {"since", 7}, {"ima_since", 9}};
    EXPECT_FALSE(run()->whole);
    verifier_.kept["boot_id"] = "another";
    EXPECT_TRUE(run()->whole);
    for (const json& wrong : {json(), json(7), json::object(), json{{"boot_id", 1}, {"since", 7}},
                              json{{"boot_id", "this-boot"}, {"since", -1}}}) {
        verifier_.kept = wrong;
        EXPECT_TRUE(run()->whole) << wrong;
    }
    EXPECT_EQ(verifier_.evidence[0], "7 9");
    for (std::size_t i = 1; i < verifier_.evidence.size(); ++i)
        EXPECT_EQ(verifier_.evidence[i], "0 0");
}

TEST_F(FleetVisit, AllIsSentWhereTheVerifierSaysToHaveMoreThanThereIs) {
    verifier_.kept = {{"boot_id", "this-boot"}, {"since", 101}};
    const auto done = run();
    ASSERT_TRUE(done);
    EXPECT_TRUE(done->whole);
    EXPECT_EQ(verifier_.evidence, std::vector<std::string>{"0 0"});
}

TEST_F(FleetVisit, AllIsSentWithANewNonceWhereTheVerifierLostWhatItHad) {
    verifier_.kept = {{"boot_id", "this-boot"}, {"since", 7}};
    verifier_.refusals = {problem(409, "since")};
    const auto done = run();
    ASSERT_TRUE(done) << to_string(done.error().error);
    EXPECT_TRUE(done->whole);
    EXPECT_EQ(verifier_.evidence, (std::vector<std::string>{"7 0", "0 0"}));
    EXPECT_NE(verifier_.targets[1], verifier_.targets[3]);
    // Once: whoever refuses all of it is not asked for ever.
    verifier_.refusals = {problem(409, "since"), problem(409, "since")};
    const auto refused = run();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().word, "since");
}

TEST_F(FleetVisit, EachVerdictIsToldFromTheOthers) {
    for (const auto& [status, verdict] : {std::pair{"affirming", Verdict::kAffirmed},
                                          {"contraindicated", Verdict::kContraindicated},
                                          {"warning", Verdict::kContraindicated},
                                          {"none", Verdict::kNone},
                                          {"better than that", Verdict::kNone}}) {
        verifier_.status = status;
        EXPECT_EQ(run()->verdict, verdict) << status;
    }
}

TEST_F(FleetVisit, AResultOfSomebodyElsesNonceIsNone) {
    verifier_.nonce_in_result = to_base64url(sha256(as_bytes("another")));
    const auto done = run();
    ASSERT_FALSE(done);
    EXPECT_NE(to_string(done.error().error).find("another nonce"), std::string::npos);
}

TEST_F(FleetVisit, AnswersThatAreNoneAreToldAsSuch) {
    for (const json& edit :
         {json{{"nonce", 1}}, json{{"nonce", "AAAA"}}, json{{"nonce", std::string(100, 'A')}},
          json{{"nonce", "+/"}}, json{{"accept", {"application/other"}}}}) {
        verifier_.session_edit = edit;
        EXPECT_FALSE(run()) << edit;
    }
    verifier_.session_edit = json::object();
    for (const char* location : {"//evil.example/x", "https://evil.example/x", "x", "/a b"}) {
        verifier_.location = location;
        EXPECT_FALSE(run()) << location;
    }
    EXPECT_TRUE(verifier_.evidence.empty());
    verifier_.location.clear();
    for (const auto& [status, word] : {std::pair{403, "unknown-host"},
                                       {415, "media-type"},
                                       {413, "too-large"},
                                       {500, "internal"}}) {
        verifier_.refusals = {problem(status, word)};
        const auto refused = run();
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().status, status);
        EXPECT_EQ(refused.error().word, word);
    }
    HttpsReply busy = problem(503, "busy");
    busy.headers["Retry-After"] = "7";
    verifier_.refusals = {busy};
    EXPECT_EQ(run().error().retry_after, std::chrono::seconds(7));
    busy.headers["Retry-After"] = "Sun, 06 Nov 1994 08:49:37 GMT";
    verifier_.refusals = {busy};
    EXPECT_EQ(run().error().retry_after, std::nullopt);
}

TEST(LastVisitFile, RemembersSinceWhenThereIsNoAnswer) {
    const TempDir folder;
    EXPECT_FALSE(read_last_visit(folder));
    ASSERT_TRUE(keep_last_visit(folder, after_verdict(1000, "affirmed")));
    const LastVisit failed = after_failure(2000, read_last_visit(folder), "away");
    ASSERT_TRUE(keep_last_visit(folder, failed));
    ASSERT_TRUE(
        keep_last_visit(folder, after_failure(3000, read_last_visit(folder), "away still")));
    const LastVisit last = read_last_visit(folder).value();
    EXPECT_EQ(last.time, 3000);
    EXPECT_EQ(last.failing_since, 2000);
    EXPECT_EQ(last.answered, 1000);
    EXPECT_EQ(last.verdict, "affirmed");
    EXPECT_EQ(last.error, "away still");
    EXPECT_EQ(to_json(last)["failing_since"], "1970-01-01T00:33:20Z");
    for (const char* damaged : {"", "{", "[]", "{}", R"({"time":"1970-01-01T00:33:20Z"})",
                                R"({"time":1,"verdict":"affirmed"})"}) {
        testing::write_file(folder / kLastVisitFile, damaged);
        EXPECT_FALSE(read_last_visit(folder)) << damaged;
    }
}

/// The command itself, with a TPM and a list.
class AttestCommand : public FleetVisit {
  protected:
    AttestCommand() {
        testing::write_file(folder_ / "config",
                            "[tpm]\ntcti = \"" + swtpm_.tcti() +
                                "\"\n[attest]\nek = \"ecc\"\n[list]\ndirectory = \"" +
                                folder_.path().string() + "\"\n[verifier]\ndirectory = \"" +
                                folder_.path().string() + "\"\n");
        {
            auto tpm = swtpm_.open();
            EXPECT_TRUE(attest::create_ak(tpm, enrolment_.ak_handle, "ecc",
                                          attest::EkAlgorithm::kEcc, false));
        }
        measure_keys(3);
    }

    void measure_keys(unsigned count) {
        auto tpm = swtpm_.open();
        measure::Recovery recovery;
        auto log = measure::MeasurementLog::open(folder_, tpm, 13, recovery).value();
        for (unsigned i = 0; i < count; ++i)
            ASSERT_TRUE(log.append(std::array{
                measure::NewEntry{13, "ima-buf", list::encode_ima_buf(".ima", as_bytes("key"))}}));
    }

    testing::Output keyscribe(const std::string& arguments) {
        return testing::run(KEYSCRIBE " --config " + (folder_ / "config").string() + ' ' +
                            arguments);
    }

    testing::Swtpm swtpm_;
    TempDir folder_;
};

TEST_F(AttestCommand, AHostThatIsNotEnrolledIsToldHow) {
    const auto done = keyscribe("attest");
    EXPECT_EQ(done.status, 3);
    EXPECT_NE(done.text.find("keyscribe enrol https://VERIFIER"), std::string::npos) << done.text;
}

TEST_F(AttestCommand, EvidenceIsOverTheVerifiersNonce) {
    ASSERT_TRUE(keep_enrolment(folder_, enrolment_));
    const auto done = keyscribe("attest --pcrs 0-7");
    EXPECT_EQ(done.status, 0) << done.text;
    EXPECT_NE(done.text.find("affirmed"), std::string::npos) << done.text;
    const auto document = evidence::decode(as_bytes(verifier_.evidence.at(0)));
    ASSERT_TRUE(document) << to_string(document.error());
    EXPECT_EQ(document->evidence.list.entries, 3u);
    const Bytes quote = document->evidence.quotes.at(0).attest;
    const auto nonce = from_base64url(verifier_.targets.at(2).substr(5 + kSession.size())).value();
    EXPECT_NE(as_text(quote).find(as_text(nonce)), std::string_view::npos);
    verifier_.kept = {{"boot_id", attest::boot_id()}, {"since", 2}};
    EXPECT_EQ(keyscribe("attest --pcrs 0-7").status, 0);
    const auto rest = evidence::decode(as_bytes(verifier_.evidence.at(1)));
    EXPECT_EQ(rest->evidence.list.from_entry, 2u);
}

TEST_F(AttestCommand, AHostThatWaitsForAYesSendsNoEvidence) {
    ASSERT_TRUE(keep_enrolment(folder_, enrolment_));
    for (const char* state : {"waiting", "refused"}) {
        verifier_.enrolment = state;
        EXPECT_EQ(keyscribe("attest --pcrs 0").status, 3);
    }
    EXPECT_EQ(verifier_.targets, std::vector<std::string>(2, "GET /v1/enrolments/e1"));
    EXPECT_TRUE(verifier_.evidence.empty());
    verifier_.enrolment = "accepted";
    EXPECT_EQ(keyscribe("attest --pcrs 0").status, 0);
    verifier_.targets.clear();
    EXPECT_EQ(keyscribe("attest --pcrs 0").status, 0);
    EXPECT_EQ(verifier_.targets.size(), 2u) << "a session, and evidence";
}

TEST_F(AttestCommand, WhatComesMeanwhileIsSentToo) {
    ASSERT_TRUE(keep_enrolment(folder_, enrolment_));
    unsigned more = 2;
    verifier_.when_taken = [&] {
        if (more != 0) measure_keys(1);
        more -= more != 0;
    };
    EXPECT_EQ(keyscribe("attest --pcrs 0").status, 0);
    ASSERT_EQ(verifier_.evidence.size(), 3u);
    EXPECT_EQ(evidence::decode(as_bytes(verifier_.evidence[2]))->evidence.list.entries, 5u);
    more = 100;
    EXPECT_EQ(keyscribe("attest --pcrs 0").status, 0);
    EXPECT_EQ(verifier_.evidence.size(), 8u) << "five visits a run";
}

TEST_F(AttestCommand, AMarkIsLeftForWhatWasNotSent) {
    const auto mark = folder_ / measure::ListFiles::kGrown;
    EXPECT_FALSE(std::filesystem::exists(mark)) << "nobody waits";
    std::filesystem::create_directory(folder_ / "grown");
    measure_keys(1);
    EXPECT_TRUE(std::filesystem::exists(mark));
    ASSERT_TRUE(keep_enrolment(folder_, enrolment_));
    unsigned more = 1;
    verifier_.when_taken = [&] {
        if (more != 0) measure_keys(1);
        more -= more != 0;
    };
    EXPECT_EQ(keyscribe("attest --pcrs 0").status, 0);
    EXPECT_FALSE(std::filesystem::exists(mark));
    more = 100;
    EXPECT_EQ(keyscribe("attest --pcrs 0").status, 0);
    EXPECT_TRUE(std::filesystem::exists(mark)) << "the next visit's";
    // It does not stay where the verifier is away: systemd would visit it without a pause.
    verifier_.refusals = {problem(500, "internal")};
    EXPECT_EQ(keyscribe("attest --pcrs 0").status, 3);
    EXPECT_FALSE(std::filesystem::exists(mark));
}

TEST_F(AttestCommand, TheExitStatusIsTheVerdict) {
    ASSERT_TRUE(keep_enrolment(folder_, enrolment_));
    verifier_.status = "contraindicated";
    EXPECT_EQ(keyscribe("attest --pcrs 0").status, 1);
    EXPECT_EQ(read_last_visit(folder_)->verdict, "contraindicated");
    verifier_.status = "none";
    EXPECT_EQ(keyscribe("attest --pcrs 0").status, 2);
    verifier_.refusals = {problem(500, "internal")};
    EXPECT_EQ(keyscribe("attest --pcrs 0").status, 3);
    verifier_.status = "affirming";
    const auto told = keyscribe("attest --pcrs 0 --json");
    EXPECT_EQ(told.status, 0);
    const json parsed = json::parse(told.text, nullptr, false);
    EXPECT_EQ(parsed.value("verdict", ""), "affirmed") << told.text;
    EXPECT_EQ(parsed.value("whole", false), true);
}

TEST_F(AttestCommand, AVerifierThatAsksForPatienceGetsIt) {
    ASSERT_TRUE(keep_enrolment(folder_, enrolment_));
    HttpsReply busy = problem(429, "busy");
    busy.headers["Retry-After"] = "0";
    verifier_.refusals = {busy, busy};
    EXPECT_EQ(keyscribe("attest --pcrs 0").status, 0);
    EXPECT_EQ(verifier_.evidence.size(), 3u);
    busy.headers["Retry-After"] = "3600";
    verifier_.refusals = {busy};
    EXPECT_EQ(keyscribe("attest --pcrs 0").status, 3);
}

TEST_F(AttestCommand, StatusSaysSinceWhenThereIsNoAnswer) {
    ASSERT_TRUE(keep_enrolment(folder_, enrolment_));
    EXPECT_NE(keyscribe("status").text.find("! it was not visited yet"), std::string::npos);
    EXPECT_EQ(keyscribe("attest --pcrs 0").status, 0);
    EXPECT_NE(keyscribe("status").text.find("affirmed at "), std::string::npos);
    verifier_.refusals = {problem(403, "unknown-host")};
    verifier_.enrolment = "waiting";
    EXPECT_EQ(keyscribe("attest --pcrs 0").status, 3);
    const std::string waiting = keyscribe("status").text;
    EXPECT_NE(waiting.find("! no verdict since "), std::string::npos) << waiting;
    EXPECT_NE(waiting.find("waiting for an operator's yes"), std::string::npos) << waiting;
    enrolment_.verifier.pin = to_base64url(sha256(as_bytes("another")));
    ASSERT_TRUE(keep_enrolment(folder_, enrolment_));
    EXPECT_EQ(keyscribe("attest --pcrs 0").status, 3);
    EXPECT_NE(keyscribe("status").text.find("not the verifier"), std::string::npos);
    const std::string doctor = keyscribe("doctor --json").text;
    EXPECT_NE(doctor.find("no verdict since"), std::string::npos) << doctor;
}

}  // namespace fleet_visit_test
}  // namespace keyscribe::fleet
