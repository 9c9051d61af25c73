// SPDX-License-Identifier: Apache-2.0
// The whole way over TLS: a host enrols and attests, an operator and a relying party ask.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <boost/asio.hpp>
#include <regex>
#include <set>

#include "controller/base/base64.h"
#include "controller/list/cbor_stream.h"
#include "controller/service/appraise/openssl.h"
#include "controller/service/verifier/evidence_record.h"
#include "controller/service/verifier/serve.h"
#include "controller/service/verifier/server.h"
#include "support.h"
#include "tests/support/https_client.h"
#include "tests/support/setting.h"
#include "verifier_fleet.h"

namespace keyscribe::verifier {
namespace verifier_server_test {

using nlohmann::json;
using testing::FleetHost;
using testing::HttpAnswer;
using testing::HttpsClient;

class FleetServer : public Fleet {
  protected:
    void SetUp() override {
        Fleet::SetUp();
        start();
        operator_ = *create_token(*service_->database, {.role = "operator", .label = "me"});
        reader_ = *create_token(*service_->database, {.role = "reader"});
    }
    void start() {
        server_ = std::make_unique<Server>(*service_);
        auto routes = all_routes(*service_, *server_, webhook_);
        routes.push_back({"GET", "/large/{bytes}", Role::kNobody, [](const Request& request) {
                              return Response{.body =
                                                  std::string(std::stoul(request.parts[0]), 'x')};
                          }});
        server_->set_routes(std::move(routes));
        const auto port = server_->start();
        ASSERT_TRUE(port) << to_string(port.error());
        port_ = *port;
    }
    void TearDown() override { server_.reset(); }

    HttpAnswer ask(const std::string& method, const std::string& target, const json& body = {},
                   const std::string& token = {}) {
        if (!client_) client_ = std::make_unique<HttpsClient>(port_);
        return client_->send(method, target, body.is_null() ? "" : body.dump(), "application/json",
                             token);
    }
    json get(const std::string& target) {
        const HttpAnswer answer = ask("GET", target, {}, operator_);
        EXPECT_EQ(answer.status, 200u) << target << answer.body;
        return json::parse(answer.body, nullptr, false);
    }
    std::string problem(const HttpAnswer& answer) {
        EXPECT_EQ(answer.fields.at("content-type"), "application/problem+json") << answer.body;
        const json body = json::parse(answer.body, nullptr, false);
        EXPECT_EQ(body["status"], answer.status);
        const std::string type = body["type"];
        return type.substr(type.rfind(':') + 1);
    }
    /// Returns the host's id.
    std::string enrol_by_http(const FleetHost& host) {
        const HttpAnswer begun = ask("POST", "/v1/enrolments", host.enrolment(token_));
        EXPECT_EQ(begun.status, 201u) << begun.body;
        const json answer = json::parse(begun.body);
        const std::string path = begun.fields.at("location");
        const HttpAnswer proven = ask("POST", path + "/activation", host.activation(answer));
        EXPECT_EQ(proven.status, 200u) << proven.body;
        EXPECT_EQ(json::parse(proven.body)["state"], "waiting");
        EXPECT_EQ(ask("POST", path + "/decision", {{"accept", true}}).status, 401u);
        EXPECT_EQ(ask("POST", path + "/decision", {{"accept", true}}, reader_).status, 403u);
        EXPECT_EQ(ask("POST", path + "/decision", {{"accept", true}}, operator_).status, 200u);
        return json::parse(ask("GET", path).body)["host"];
    }
    HttpAnswer attest(FleetHost& host, const std::string& id,
                      const std::string& type = std::string(kEvidenceType)) {
        const HttpAnswer session =
            ask("POST", "/challenge-response/v1/newSession?nonceSize=32&host=" + id);
        EXPECT_EQ(session.status, 201u) << session.body;
        const json answer = json::parse(session.body);
        const auto nonce = from_base64url(answer["nonce"].get<std::string>());
        std::uint64_t since = 0;
        if (answer.contains("keyscribe")) since = answer["keyscribe"]["since"];
        const testing::Buffer evidence = host.evidence(*nonce, since);
        std::string body(as_text(evidence));
        if (type == "application/cmw+json")
            body = json{kEvidenceType, to_base64url(evidence)}.dump();
        if (type == "application/cmw+cbor") {
            list::CborWriter writer(body.size());
            writer.head(list::CborType::kArray, 2);
            writer.text(kEvidenceType);
            writer.bytes(evidence);
            body = as_text(writer.take());
        }
        return client_->send("POST", session.fields.at("location"), body, type);
    }
    /// The claims of a JWT whose signature the JWKS' key verifies.
    json claims(const std::string& jwt) {
        const json key = get("/.well-known/jwks.json")["keys"][0];
        testing::Buffer spki{0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                             0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                             0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
        for (const char* part : {"x", "y"}) {
            const auto number = from_base64url(key[part].get<std::string>());
            spki.insert(spki.end(), number->begin(), number->end());
        }
        const unsigned char* at = spki.data();
        const appraise::Owned<EVP_PKEY> loaded(
            d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
        const auto dot = jwt.rfind('.');
        const auto raw = from_base64url(jwt.substr(dot + 1));
        EXPECT_TRUE(loaded && raw && raw->size() == 64);
        const appraise::Owned<ECDSA_SIG> signature(ECDSA_SIG_new());
        ECDSA_SIG_set0(signature.get(), BN_bin2bn(raw->data(), 32, nullptr),
                       BN_bin2bn(raw->data() + 32, 32, nullptr));
        unsigned char* der = nullptr;
        const int size = i2d_ECDSA_SIG(signature.get(), &der);
        const appraise::Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
        EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, loaded.get());
        EXPECT_EQ(EVP_DigestVerify(context.get(), der, static_cast<std::size_t>(size),
                                   reinterpret_cast<const unsigned char*>(jwt.data()), dot),
                  1);
        OPENSSL_free(der);
        const auto head = from_base64url(jwt.substr(0, jwt.find('.')));
        EXPECT_EQ(json::parse(*head)["kid"], key["kid"]);
        const auto body = from_base64url(jwt.substr(jwt.find('.') + 1, dot - jwt.find('.') - 1));
        return json::parse(*body);
    }

    WebhookCounters webhook_;
    std::unique_ptr<Server> server_;
    std::unique_ptr<HttpsClient> client_;
    unsigned port_ = 0;
    std::string operator_, reader_;
};
FLEET_ON_BOTH_ENGINES(FleetServer);

TEST_P(FleetServer, AHostEnrolsAttestsAndIsAskedAbout) {
    FleetHost host("web-1.example");
    trust(host);
    host.host.good();
    const std::string id = enrol_by_http(host);
    const HttpAnswer first = attest(host, id);
    ASSERT_EQ(first.status, 200u) << first.body;
    const json session = json::parse(first.body);
    EXPECT_EQ(session["status"], "complete");
    const json ear = claims(session["result"]);
    EXPECT_EQ(ear["eat_profile"], "tag:ietf.org,2026:rats/ear#03");
    EXPECT_EQ(ear["eat_nonce"], session["nonce"]);
    EXPECT_EQ(ear["submods"]["keyscribe"]["ear_status"], "affirming");
    EXPECT_EQ(ear["submods"]["keyscribe"]["keyscribe_host"], id);

    // The session can be asked for what came of it, with and without a name in it.
    const std::string nonce = session["nonce"];
    for (const std::string& path : {nonce, nonce + '.' + id}) {
        const HttpAnswer again = ask("GET", "/challenge-response/v1/session/" + path);
        const json shown = json::parse(again.body);
        EXPECT_EQ(shown["status"], path == nonce ? "waiting" : "complete");
        if (path != nonce) {
            EXPECT_EQ(claims(shown["result"])["submods"], ear["submods"]);
        }
    }
    const std::string unnamed = json::parse(attest(host, "").body)["nonce"];
    const std::string path = "/challenge-response/v1/session/" + unnamed;
    EXPECT_EQ(json::parse(ask("GET", path).body)["status"], "complete");
    EXPECT_EQ(ask("DELETE", path).status, 204u);
    EXPECT_EQ(json::parse(ask("GET", path).body)["status"], "waiting");

    // A rogue key, told by what is new alone and in each media type.
    const testing::Buffer rogue = testing::rogue(host.host);
    host.host.key(".ima", rogue, 301, "Rogue: 22");
    for (const char* type : {"application/cmw+json", "application/cmw+cbor"}) {
        const HttpAnswer answer = attest(host, id, type);
        ASSERT_EQ(answer.status, 200u) << answer.body;
        const json result = claims(json::parse(answer.body)["result"]);
        EXPECT_EQ(result["submods"]["keyscribe"]["ear_status"], "contraindicated");
    }
    EXPECT_EQ(get("/v1/hosts?verdict=contraindicated")["hosts"][0]["id"], id);
    EXPECT_EQ(get("/v1/hosts?verdict=affirmed")["hosts"].size(), 0u);
    EXPECT_EQ(get("/v1/hosts/web-1.example")["id"], id);
    EXPECT_EQ(get("/v1/keys?q=Rogue")[0]["fingerprint"], to_hex(sha256(rogue)));
    const json changes = get("/v1/changes?since=0");
    EXPECT_EQ(changes["changes"].back()["latter"], "contraindicated");
    EXPECT_EQ(ask("GET", "/v1/hosts/" + id + "/result").status, 401u);
    const HttpAnswer result = ask("GET", "/v1/hosts/" + id + "/result", {}, reader_);
    EXPECT_EQ(result.fields.at("content-type"),
              "application/eat+jwt; eat_profile=\"tag:ietf.org,2026:rats/ear#03\"");
    EXPECT_EQ(claims(result.body)["submods"]["keyscribe"]["ear_status"], "contraindicated");
    const HttpAnswer older = ask(
        "GET", "/v1/hosts/" + id + "/result?profile=tag:github.com,2023:veraison/ear", {}, reader_);
    EXPECT_EQ(claims(older.body)["submods"]["keyscribe"]["ear.status"], "contraindicated");
    EXPECT_EQ(ask("DELETE", "/v1/hosts/" + id, {}, reader_).status, 403u);
    EXPECT_EQ(ask("DELETE", "/v1/hosts/" + id, {}, operator_).status, 204u);
    EXPECT_EQ(problem(attest(host, "")), "unknown-host");
}

TEST_P(FleetServer, EveryRefusalIsAProblemWithItsReason) {
    EXPECT_EQ(problem(ask("GET", "/nowhere")), "not-found");
    const HttpAnswer method = ask("DELETE", "/v1/enrolments");
    EXPECT_EQ(method.status, 405u);
    EXPECT_EQ(method.fields.at("allow"), "POST, GET");
    const json session = json::parse(ask("POST", "/challenge-response/v1/newSession").body);
    const std::string path =
        "/challenge-response/v1/session/" + session["nonce"].get<std::string>();
    const HttpAnswer type = ask("POST", path, {{"a", 1}});
    EXPECT_EQ(type.status, 415u);
    EXPECT_NE(type.fields.at("accept").find(kEvidenceType), std::string::npos);
    EXPECT_EQ(problem(client_->send("POST", path, "x", std::string(kEvidenceType))),
              "evidence-malformed");
    EXPECT_EQ(problem(client_->send("POST", path, "[1]", "application/cmw+json")),
              "evidence-malformed");
    EXPECT_EQ(problem(ask("GET", "/challenge-response/v1/session/AAAA")), "unknown-session");
    EXPECT_EQ(problem(ask("POST", "/challenge-response/v1/newSession?nonceSize=8")), "request");
    EXPECT_EQ(type.fields.at("accept"),
              "application/vnd.keyscribe.evidence+cbor, application/cmw+cbor, "
              "application/cmw+json");
    EXPECT_EQ(json::parse(ask("GET", path).body)["accept"].size(), 3u);
    EXPECT_EQ(ask("DELETE", path).status, 204u);
    EXPECT_EQ(problem(ask("POST", "/v1/references", {{"group", "g"}}, operator_)), "request");
    EXPECT_EQ(problem(ask("POST", "/v1/references",
                          {{"group", "g"}, {"name", "n"}, {"content", "AAAA"}}, operator_)),
              "reference");
    EXPECT_EQ(problem(ask("GET", "/v1/hosts", {}, "guessed")), "role");
}

TEST_P(FleetServer, LimitsHold) {
    const std::string head = "POST /v1/enrolments HTTP/1.1\r\nHost: x\r\n";
    const auto raw = [&](const std::string& bytes) { return HttpsClient(port_).raw(bytes); };
    EXPECT_TRUE(raw(head + "Transfer-Encoding: chunked\r\n\r\n").starts_with("HTTP/1.1 411 "));
    EXPECT_TRUE(raw(head + "Content-Length: 9999999999\r\n\r\n").starts_with("HTTP/1.1 413 "));
    EXPECT_TRUE(
        raw(head + "X: " + std::string(20000, 'a') + "\r\n\r\n").starts_with("HTTP/1.1 431 "));
    EXPECT_TRUE(raw("nothing\r\n\r\n").starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(raw("GET /?%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    .starts_with("HTTP/1.1 400 "));
}

TEST_P(FleetServer, OneAddressDoesNotTakeAllBodies) {
    service_->settings.limits.bodies = 200 << 10;
    service_->settings.limits.bodies_for_address = 64 << 10;
    start();
    const std::string head = "POST /v1/enrolments HTTP/1.1\r\nHost: x\r\nContent-Length: ";
    // Alone it may be larger than its part; a second one at the same time waits for its turn.
    HttpsClient first(port_), second(port_);
    first.write(head + "100000\r\n\r\n");
    std::string answer;
    for (int i = 0; i < 1000 && !answer.starts_with("HTTP/1.1 429 "); ++i)
        answer = HttpsClient(port_).raw(head + "20000\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 429 ")) << answer;
    EXPECT_NE(answer.find("\r\nRetry-After: 5\r\n"), std::string::npos) << answer;
    // Small ones are taken all the same.
    EXPECT_EQ(second.send("POST", "/v1/enrolments", std::string(16000, ' ')).status, 400u);
}

TEST_P(FleetServer, AnAnswerLargerThanATlsRecordArrivesWhole) {
    for (const std::size_t size : {16383u, 16384u, 16385u, 65536u, 3'000'000u}) {
        const HttpAnswer answer = ask("GET", "/large/" + std::to_string(size));
        EXPECT_EQ(answer.status, 200u);
        EXPECT_TRUE(answer.body == std::string(size, 'x')) << size << " " << answer.body.size();
    }
}

TEST_P(FleetServer, SlowClientsAreGivenUp) {
    service_->settings.limits.request = 1;
    service_->settings.limits.idle = 1;
    start();
    const auto began = std::chrono::steady_clock::now();
    const std::string head = "POST /v1/enrolments HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n";
    // Nothing at all, half a head, half a body.
    for (const std::string& bytes : {std::string(), head, head + "\r\n12345"})
        EXPECT_EQ(HttpsClient(port_).raw(bytes), "");
    // Nor does anybody wait for a handshake that does not come.
    boost::asio::io_context io;
    boost::asio::ip::tcp::socket socket(io);
    socket.connect({boost::asio::ip::address_v4::loopback(), static_cast<unsigned short>(port_)});
    char byte = 0;
    boost::system::error_code error;
    EXPECT_EQ(socket.read_some(boost::asio::buffer(&byte, 1), error), 0u);
    EXPECT_TRUE(error);
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(30));
}

TEST_P(FleetServer, MarkupInARequestDoesNotComeBack) {
    for (const char* target :
         {"/%3Cscript%3E", "/v1/hosts/%3Cscript%3E", "/v1/hosts/%3Cscript%3E/export",
          "/v1/keys/%3Cscript%3E", "/v1/enrolments/%3Cscript%3E",
          "/challenge-response/v1/session/%3Cscript%3E", "/v1/hosts?verdict=%3Cscript%3E",
          "/v1/keys?q=%3Cscript%3E", "/v1/references?group=%3Cscript%3E",
          "/v1/hosts?name='or'1'='1", "/v1/hosts/x%0d%0aSet-Cookie:a=b"}) {
        const HttpAnswer answer = ask("GET", target, {}, operator_);
        EXPECT_EQ(answer.body.find("script"), std::string::npos) << target << answer.body;
        EXPECT_FALSE(answer.fields.contains("set-cookie"));
        EXPECT_NE(answer.status / 100, 5u) << target << answer.body;
    }
    // What an operator writes is JSON's text, and comes back as such.
    const json added = json::parse(ask("POST", "/v1/references",
                                       {{"group", "<b>"},
                                        {"name", "\x1b[31m\"'"},
                                        {"why", "</script>"},
                                        {"content", to_base64(FleetHost("x").host.builtin)}},
                                       operator_)
                                       .body);
    EXPECT_EQ(added["group"], "<b>");
    EXPECT_EQ(get("/v1/references?group=%3Cb%3E")[0]["name"], "\x1b[31m\"'");
}

TEST_P(FleetServer, TheTokensPinIsTheCertificates) {
    const auto pin = pin_of(service_->certificate);
    ASSERT_TRUE(pin);
    EXPECT_EQ(pin->size(), 43u);
    EXPECT_EQ(to_hex(*from_base64url(*pin)), HttpsClient(port_).pin());
    // Another process of this database has the same certificate.
    EXPECT_EQ(open()->certificate.chain, service_->certificate.chain);
}

TEST_P(FleetServer, AnOperatorsCertificateIsAsGoodAsAToken) {
    const testing::TempDir folder;
    const auto make = [&](const std::string& name, const std::string& ca, const std::string& more) {
        const std::string files =
            "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
            "-keyout " +
            name + ".key -subj '/CN=" + name + "<i>' ";
        const auto output = testing::run(
            "cd " + folder.path().string() + " && " + files +
            (ca.empty() ? "-x509 -out " + name + ".pem"
                        : "-out x.csr && openssl x509 -req -in x.csr -CA " + ca + ".pem -CAkey " +
                              ca + ".key -CAcreateserial -out " + name + ".pem " + more) +
            " 2>&1");
        ASSERT_EQ(output.status, 0) << output.text;
    };
    make("ca", "", "");
    make("other-ca", "", "");
    make("ann", "ca", "-days 9");
    make("late", "ca", "-days -1");
    make("bob", "other-ca", "-days 9");
    service_->settings.tls.operators_ca = folder / "ca.pem";
    start();
    const auto as = [&](const std::string& name, const std::string& method,
                        const std::string& target, const std::string& body = {}) {
        HttpsClient client(port_, (folder / (name + ".pem")).string(),
                           (folder / (name + ".key")).string());
        return client.send(method, target, body, "application/json");
    };
    EXPECT_EQ(as("ann", "GET", "/v1/hosts").status, 200u);
    EXPECT_THROW((void)as("bob", "GET", "/v1/hosts"), std::exception);
    EXPECT_THROW((void)as("late", "GET", "/v1/hosts"), std::exception);
    // Without one there is no role, and a token still is good.
    EXPECT_EQ(ask("GET", "/v1/hosts").status, 401u);
    EXPECT_EQ(ask("GET", "/v1/hosts", {}, reader_).status, 200u);
    // The record has the certificate's subject.
    const std::string id = prove(FleetHost("web", true));
    EXPECT_EQ(as("ann", "POST", "/v1/enrolments/" + id + "/decision", R"({"accept":true})").status,
              200u);
    EXPECT_EQ(get("/v1/hosts/web")["accepted_by"], "operator: /CN=ann<i>");
}

TEST_P(FleetServer, FirstTokensAreToldOnce) {
    settings_.store.url = testing::new_database(GetParam());
    const auto fresh = open();
    const auto told = first_tokens(*fresh);
    ASSERT_TRUE(told);
    EXPECT_NE(told->find("operator"), std::string::npos);
    EXPECT_EQ(*first_tokens(*fresh), "");
}

TEST_P(FleetServer, HealthAndMetricsTellOfTheDatabase) {
    EXPECT_EQ(ask("GET", "/healthz").status, 200u);
    EXPECT_EQ(ask("GET", "/metrics").status, 401u);
    const HttpAnswer metrics = ask("GET", "/metrics", {}, reader_);
    EXPECT_NE(metrics.body.find("keyscribe_verifier_store_up 1\n"), std::string::npos);
    EXPECT_NE(metrics.body.find("keyscribe_verifier_hosts{verdict=\"silent\"} 0\n"),
              std::string::npos);
}

TEST_P(FleetServer, AlertsAndDashboardNameMetricsThatThereAre) {
    const std::string metrics = metrics_text(*service_, *server_, webhook_);
    const std::regex name("keyscribe_verifier_[a-z_]+");
    for (const char* file : {"alerts.yaml", "dashboard.json"}) {
        const std::string text = testing::read_file(std::string(FIXTURES) +
                                                    "/../../controller/service/verifier/" + file);
        unsigned count = 0;
        for (std::sregex_iterator at(text.begin(), text.end(), name), end; at != end; ++at, ++count)
            EXPECT_TRUE(metrics.find('\n' + at->str() + '{') != std::string::npos ||
                        metrics.find('\n' + at->str() + ' ') != std::string::npos)
                << file << ": " << at->str();
        EXPECT_GE(count, 5u) << file;
    }
    EXPECT_TRUE(json::parse(testing::read_file(std::string(FIXTURES) +
                                               "/../../controller/service/verifier/dashboard.json"))
                    .contains("panels"));
}

TEST_P(FleetServer, OpenApiHasEveryRoute) {
    const std::string folder = std::string(FIXTURES) + "/../../controller/service/verifier/";
    std::set<std::string> documented, routes, without_parameter;
    std::string path;
    bool in_paths = false;
    for (const std::string& line : testing::lines_of(testing::read_file(folder + "openapi.yaml"))) {
        in_paths = in_paths || line == "paths:";
        if (!in_paths) continue;
        if (line.starts_with("  /")) {
            path = line.substr(2, line.size() - 3);
            if (path.contains('{')) without_parameter.insert(path);
        }
        // OpenAPI 3.0.3: each name of the path's template is a parameter of it.
        if (line.starts_with("    parameters: ")) {
            const std::string name =
                path.substr(path.find('{') + 1, path.find('}') - path.find('{') - 1);
            EXPECT_TRUE(line.contains("name: " + name + ", in: path")) << path;
            without_parameter.erase(path);
        } else if (line.starts_with("    ") && line[4] != ' ')
            documented.insert(line.substr(4, line.find(':') - 4) + ' ' + path);
    }
    for (const Route& route : all_routes(*service_, *server_, webhook_)) {
        std::string method = route.method;
        for (char& letter : method) letter = static_cast<char>(std::tolower(letter));
        routes.insert(method + ' ' + route.pattern);
    }
    EXPECT_EQ(documented, routes);
    EXPECT_EQ(without_parameter, std::set<std::string>());
}

}  // namespace verifier_server_test
}  // namespace keyscribe::verifier
