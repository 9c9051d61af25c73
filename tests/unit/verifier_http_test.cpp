// SPDX-License-Identifier: Apache-2.0
// HTTP as others speak it: what a browser, a proxy or a stranger may send.
#include "controller/base/base64.h"
#include "controller/service/verifier/operator_queries.h"
#include "controller/service/verifier/serve.h"
#include "controller/service/verifier/server.h"
#include "support.h"
#include "tests/support/https_client.h"
#include "tests/support/setting.h"
#include "verifier_fleet.h"

namespace keyscribe::verifier {
namespace verifier_http_test {

using nlohmann::json;
using testing::FleetHost;
using testing::HttpsClient;

class FleetHttp : public Fleet {
  protected:
    void SetUp() override {
        Fleet::SetUp();
        operator_ = *create_token(*service_->database, {.role = "operator", .label = "me"});
        start();
    }
    void TearDown() override { server_.reset(); }
    void start() {
        server_ = std::make_unique<Server>(*service_);
        server_->set_routes(all_routes(*service_, *server_, webhook_));
        const auto port = server_->start();
        ASSERT_TRUE(port) << to_string(port.error());
        port_ = *port;
    }
    std::string raw(const std::string& bytes) { return HttpsClient(port_).raw(bytes); }
    /// As raw(), with what ends the connection after it.
    std::string last(const std::string& line, const std::string& more = {}) {
        return raw(line + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + more + "\r\n");
    }
    testing::HttpAnswer ask(const std::string& method, const std::string& target,
                            const json& body = {}) {
        return HttpsClient(port_).send(method, target, body.is_null() ? "" : body.dump(),
                                       "application/json", operator_);
    }
    std::string word(const testing::HttpAnswer& answer) {
        const json body = json::parse(answer.body, nullptr, false);
        return body.is_object() && body.contains("type")
                   ? body["type"].get<std::string>().substr(22)
                   : std::to_string(answer.status);
    }

    WebhookCounters webhook_;
    std::unique_ptr<Server> server_;
    unsigned port_ = 0;
    std::string operator_;
};
FLEET_ON_BOTH_ENGINES(FleetHttp);

TEST_P(FleetHttp, HeadIsAnsweredWithoutABody) {
    for (const char* target : {"/healthz", "/nowhere", "/v1/hosts"}) {
        const std::string head = last(std::string("HEAD ") + target);
        EXPECT_TRUE(head.ends_with("\r\n\r\n")) << head;
        EXPECT_NE(head.find("\r\nContent-Length: "), std::string::npos) << head;
    }
    EXPECT_TRUE(last("HEAD /healthz").starts_with("HTTP/1.1 200 "));
    // What follows on the connection is the next answer.
    const std::string both =
        raw("HEAD /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
            "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_NE(both.find("\r\n\r\nHTTP/1.1 200 OK\r\n"), std::string::npos) << both;
}

TEST_P(FleetHttp, HeadsAreAsRfc9112HasThem) {
    EXPECT_TRUE(
        raw("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(raw("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n")
                    .starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(raw("GET /healthz HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 200 "));
    // Neither a length nor chunks: there is no body (6.3), as curl -X POST asks for a session.
    EXPECT_TRUE(last("POST /challenge-response/v1/newSession").starts_with("HTTP/1.1 201 "));
    const json session = json::parse(ask("POST", "/challenge-response/v1/newSession").body);
    const std::string gone =
        last("DELETE /challenge-response/v1/session/" + session["nonce"].get<std::string>());
    EXPECT_TRUE(gone.starts_with("HTTP/1.1 204 ")) << gone;
    EXPECT_EQ(gone.find("Content-Length"), std::string::npos) << gone;
    const std::string told =
        raw("POST /v1/enrolments HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: "
            "100-Continue\r\nContent-Length: 2\r\n\r\n{}");
    EXPECT_TRUE(told.starts_with("HTTP/1.1 100 ")) << told;
}

TEST_P(FleetHttp, WhatIsNoUtf8IsNoFaultOfTheDatabases) {
    const json session = json::parse(ask("POST", "/challenge-response/v1/newSession").body);
    for (const std::string& line :
         {std::string("POST /challenge-response/v1/newSession?host=%ff"),
          std::string("GET /v1/enrolments/%ff"), std::string("GET /v1/enrolments/%ed%a0%80"),
          "GET /challenge-response/v1/session/" + session["nonce"].get<std::string>() + ".%ff"}) {
        const std::string answer = last(line, "Content-Length: 0\r\n");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 4")) << line << answer;
    }
    EXPECT_EQ(ask("GET", "/v1/hosts?name=%ff").status, 400u);
    EXPECT_EQ(service_->database->failures().statement, 0u);
}

TEST_P(FleetHttp, AnotherSiteDoesNotUseAnOperatorsCertificate) {
    const testing::TempDir folder;
    const auto made = testing::run(
        "cd " + folder.path().string() +
        " && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -subj "
        "/CN=ca -x509 -out ca.pem 2>&1 && openssl req -newkey ec -pkeyopt "
        "ec_paramgen_curve:P-256 -nodes -keyout ann.key -subj /CN=ann -out x.csr 2>&1 && openssl "
        "x509 -req -in x.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out ann.pem 2>&1");
    ASSERT_EQ(made.status, 0) << made.text;
    service_->settings.tls.operators_ca = folder / "ca.pem";
    start();
    const std::string id = prove(FleetHost("web", true));
    // As a form with enctype="text/plain" sends it: no script is needed, and no browser asks first.
    const auto decide = [&](const std::string& more) {
        HttpsClient ann(port_, (folder / "ann.pem").string(), (folder / "ann.key").string());
        const std::string body = R"({"accept":true,"reason":"="})";
        return ann
            .raw("POST /v1/enrolments/" + id + "/decision HTTP/1.1\r\nHost: v:1\r\n" + more +
                 "Content-Type: text/plain\r\nConnection: close\r\nContent-Length: " +
                 std::to_string(body.size()) + "\r\n\r\n" + body)
            .substr(0, 12);
    };
    EXPECT_EQ(decide("Origin: https://evil.example\r\n"), "HTTP/1.1 401");
    EXPECT_EQ(decide("Origin: null\r\n"), "HTTP/1.1 401");
    EXPECT_EQ(decide("Sec-Fetch-Site: cross-site\r\n"), "HTTP/1.1 401");
    EXPECT_EQ((*service_->enrolments->show(id))["state"], "waiting");
    EXPECT_EQ(decide(""), "HTTP/1.1 200");
}

TEST_P(FleetHttp, AWrongNumberIsNotAnotherQuestion) {
    for (const char* target :
         {"/v1/keys?q=a&at=yesterday", "/v1/keys?since=1h", "/v1/changes?since=x",
          "/v1/changes?since=-1", "/v1/hosts?limit=all"})
        EXPECT_EQ(word(ask("GET", target)), "request") << target;
    enrol(FleetHost("a", true));
    enrol(FleetHost("b", true));
    const json page = json::parse(ask("GET", "/v1/hosts?limit=0").body);
    EXPECT_EQ(page["hosts"].size(), 1u);
    EXPECT_EQ(page["next"], page["hosts"][0]["id"]);
}

TEST_P(FleetHttp, ANameThatTwoHostsHaveIsNeitherOfThem) {
    const std::string first = enrol(FleetHost("web", true)), second = enrol(FleetHost("web", true));
    const auto answer = ask("GET", "/v1/hosts/web");
    EXPECT_EQ(answer.status, 409u) << answer.body;
    EXPECT_NE(answer.body.find(first), std::string::npos);
    EXPECT_NE(answer.body.find(second), std::string::npos);
    EXPECT_EQ(ask("GET", "/v1/hosts/web/export").status, 409u);
    EXPECT_EQ(json::parse(ask("GET", "/v1/hosts/" + second).body)["id"], second);
}

TEST_P(FleetHttp, AReferenceThatCannotBeInForceIsRefused) {
    const json good = {
        {"group", "g"}, {"name", "n"}, {"content", to_base64(FleetHost("x").host.builtin)}};
    const auto with = [&](const json& more) {
        json body = good;
        body.update(more);
        return word(ask("POST", "/v1/references", body));
    };
    EXPECT_EQ(with({{"from", 2000}, {"until", 1000}}), "reference");
    EXPECT_EQ(with({{"from", 1000}, {"until", 1000}}), "reference");
    EXPECT_EQ(with({{"from", -1}}), "reference");
    EXPECT_EQ(with({{"until", INT64_MAX}}), "reference");
    EXPECT_EQ(with({{"group", std::string(65, 'g')}}), "reference");
    EXPECT_EQ(with({{"kind", "of magic"}, {"until", 1000}}), "reference");
    EXPECT_EQ(with(json::object()), "201");
}

TEST_P(FleetHttp, AReferenceThatAPolicyNamesIsNotRemoved) {
    const FleetHost host("web");
    trust(host);
    const std::string policy = "[keys]\nrequired = [\"web-ima.der\"]\n";
    ASSERT_TRUE(service_->references->add({{.id = random_id(),
                                            .group = "default",
                                            .kind = "policy",
                                            .name = "appraisal.toml",
                                            .added = now(),
                                            .content = {policy.begin(), policy.end()}}}));
    std::string ima, rules;
    const auto files = service_->references->files("default");
    for (const ReferenceFile& file : *files) {
        if (file.name == "web-ima.der") ima = file.id;
        if (file.kind == "policy") rules = file.id;
    }
    const auto refused = ask("DELETE", "/v1/references/" + ima);
    EXPECT_EQ(word(refused), "reference") << refused.body;
    EXPECT_EQ(ask("DELETE", "/v1/references/" + rules).status, 204u);
    EXPECT_EQ(ask("DELETE", "/v1/references/" + ima).status, 204u);
}

TEST_P(FleetHttp, ChangesAreAStreamThatGoesOnWhereItEnded) {
    enrol(FleetHost("a", true));  // 1 and 2
    HttpsClient client(port_);
    client.write(
        "GET /v1/changes HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nLast-Event-ID: 1\r\n"
        "Authorization: Bearer " +
        operator_ + "\r\n\r\n");
    const std::string first = client.read_until("id: 2\ndata: {");
    EXPECT_NE(first.find("\r\nContent-Type: text/event-stream\r\n"), std::string::npos) << first;
    EXPECT_EQ(first.find("id: 1\n"), std::string::npos) << first;
    enrol(FleetHost("b", true));  // 3 and 4, while it waits
    const std::string second = client.read_until("id: 4\ndata: {");
    EXPECT_NE(second.find("id: 3\ndata: {"), std::string::npos) << second;
    // A token that is revoked ends it.
    EXPECT_TRUE(*revoke_token(*service_->database, token_id(operator_)));
    (void)client.raw("");
}

TEST_P(FleetHttp, WhoDeclaresALargeBodyAndSendsNothingHoldsItForABriefTime) {
    service_->settings.limits.request = 1;
    start();
    const auto began = std::chrono::steady_clock::now();
    EXPECT_EQ(raw("POST /v1/enrolments HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n"),
              "");
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
}

}  // namespace verifier_http_test
}  // namespace keyscribe::verifier
