// SPDX-License-Identifier: Apache-2.0
// How a host asks a verifier: whom it takes for one, and what it does with one that does not
// behave.
#include <gtest/gtest.h>

#include "controller/host/fleet/https.h"
#include "support.h"
#include "tests/support/tls_server.h"

namespace keyscribe::fleet {
namespace fleet_https_test {

using namespace std::chrono_literals;
using testing::HttpsReply;
using testing::HttpsRequest;
using testing::TlsServer;

HttpsReply echo(const HttpsRequest& request) {
    return {.body = request.method + ' ' + request.target + ' ' + request.content_type + ' ' +
                    request.body};
}

Verifier pinned(const TlsServer& server) {
    Verifier verifier = parse_url(server.url()).value();
    verifier.pin = server.pin();
    return verifier;
}

/// What goes wrong with one request, or its answer's body.
std::string asked(const Verifier& verifier, std::chrono::milliseconds patience = 10s) {
    auto connection = Connection::open(verifier, patience);
    if (!connection) return to_string(connection.error());
    const auto answer = connection->exchange({.target = "/x"});
    return answer ? answer->body : to_string(answer.error());
}

void expect_has(const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), text.npos) << text << "\nhas no " << part;
}

TEST(VerifierUrl, OneFormAlone) {
    const auto parsed = parse_url("https://verifier.example:8443/fleet/").value();
    EXPECT_EQ(parsed.host, "verifier.example");
    EXPECT_EQ(parsed.port, 8443);
    EXPECT_EQ(parsed.path, "/fleet");
    EXPECT_EQ(parsed.url(), "https://verifier.example:8443/fleet");
    EXPECT_EQ(parse_url("https://v")->url(), "https://v");
    EXPECT_EQ(parse_url("https://v/")->url(), "https://v");
    EXPECT_EQ(parse_url("https://[::1]:8443")->host, "::1");
    EXPECT_EQ(parse_url("https://[::1]:8443")->authority(), "[::1]:8443");
    for (const char* bad : {"",
                            "verifier",
                            "http://v",
                            "HTTPS://v",
                            "https://",
                            "https://:8443",
                            "https://v:",
                            "https://v:0",
                            "https://v:65536",
                            "https://v:8443x",
                            "https://u@v",
                            "https://v?a=b",
                            "https://v/#x",
                            "https://v/%2e",
                            "https://[::1",
                            "https://[]",
                            "https://[::1]8443",
                            "https://v w",
                            "https://v\r\nx: y",
                            "https://v/a b"})
        EXPECT_FALSE(parse_url(bad)) << bad;
}

TEST(EnrolmentToken, ASecretAndAPin) {
    const std::string secret(42, 'A'), pin(42, 'B');
    const auto both = parse_token(' ' + secret + "A." + pin + "A\n").value();
    EXPECT_EQ(both.secret, secret + 'A');
    EXPECT_EQ(both.pin, pin + 'A');
    EXPECT_EQ(parse_token(secret + 'A')->pin, "");
    for (const std::string& bad :
         {std::string(), secret, secret + "A.", secret + "A." + pin, secret + "A." + pin + "A.",
          secret + "A " + pin + 'A', secret + "A." + pin + "A=", secret + "+." + pin + 'A'}) {
        const auto refused = parse_token(bad);
        ASSERT_FALSE(refused) << bad;
        EXPECT_EQ(to_string(refused.error()).find("AAAA"), std::string::npos)
            << "a secret is shown";
    }
}

TEST(FleetHttps, SeveralRequestsTakeOneConnection) {
    const TlsServer server(echo);
    auto connection = Connection::open(pinned(server));
    ASSERT_TRUE(connection) << to_string(connection.error());
    const std::string long_body(5u << 20, 'x');
    const auto answer = connection->exchange({"POST", "/v1/a?b=c", "text/plain", "body"});
    ASSERT_TRUE(answer) << to_string(answer.error());
    EXPECT_EQ(answer->body, "POST /v1/a?b=c text/plain body");
    EXPECT_EQ(answer->content_type, "application/json");
    EXPECT_EQ(connection->exchange({.target = "/"})->body, "GET /  ");
    EXPECT_EQ(server.connections(), 1u);
}

TEST(FleetHttps, ThePathOfTheVerifierStandsBeforeEachRoute) {
    const TlsServer server([](const HttpsRequest& request) {
        return HttpsReply{.body = request.host + request.target};
    });
    Verifier verifier = parse_url(server.url() + "/fleet/").value();
    verifier.pin = server.pin();
    EXPECT_EQ(asked(verifier), "127.0.0.1:" + std::to_string(server.port()) + "/fleet/x");
}

TEST(FleetHttps, AnotherKeyIsSentNothing) {
    const TlsServer server(echo), other(echo);
    Verifier verifier = pinned(server);
    verifier.pin = other.pin();
    const std::string said = asked(verifier);
    expect_has(said, server.pin());
    expect_has(said, other.pin());
    expect_has(said, "enrol again");
    EXPECT_EQ(server.requests(), 0u);
    verifier.pin.clear();
    expect_has(asked(verifier), "--ca");
}

TEST(FleetHttps, AKeyThatIsPinnedNeedsNoNameAndNoDate) {
    const TlsServer server(echo, "elsewhere.example",
                           {.not_before = 0, .not_after = std::time(nullptr) - 3600});
    EXPECT_EQ(asked(pinned(server)), "GET /x  ");
}

TEST(FleetHttps, AuthoritiesAreAskedForNameAndDates) {
    const testing::TempDir folder;
    const auto ask = [&](const TlsServer& server, const std::string& host) {
        testing::write_file(folder / "ca.pem", server.certificate_pem());
        Verifier verifier = parse_url(server.url(host)).value();
        verifier.ca = folder / "ca.pem";
        return asked(verifier);
    };
    const TlsServer good(echo), other(echo);
    EXPECT_EQ(ask(good, "localhost"), "GET /x  ");
    expect_has(ask(good, "127.0.0.1"), "IP address mismatch");
    expect_has(ask(TlsServer(echo, "elsewhere.example"), "localhost"), "hostname mismatch");
    expect_has(
        ask(TlsServer(echo, "localhost", {.not_after = std::time(nullptr) - 60}), "localhost"),
        "expired");
    testing::write_file(folder / "ca.pem", other.certificate_pem());
    Verifier verifier = parse_url(good.url("localhost")).value();
    verifier.ca = folder / "ca.pem";
    // One that is pinned, too, is not believed for that.
    verifier.pin = good.pin();
    expect_has(asked(verifier), "is not believed");
    verifier.ca = folder / "none.pem";
    expect_has(asked(verifier), "none.pem");
}

TEST(FleetHttps, NoRedirectIsFollowed) {
    const TlsServer other(echo);
    const TlsServer server([&](const HttpsRequest&) {
        return HttpsReply{.status = 307, .body = "", .headers = {{"Location", other.url() + "/x"}}};
    });
    auto connection = Connection::open(pinned(server)).value();
    const auto answer = connection.exchange({.target = "/x"});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 307);
    EXPECT_EQ(other.connections(), 0u);
}

TEST(FleetHttps, AnAnswerIsBounded) {
    const TlsServer server([](const HttpsRequest& request) {
        return HttpsReply{
            .body = std::string(request.body == "more" ? kMaxAnswer + 1 : kMaxAnswer, 'x')};
    });
    auto connection = Connection::open(pinned(server)).value();
    EXPECT_EQ(connection.exchange({"POST", "/", "text/plain", "less"})->body.size(), kMaxAnswer);
    const auto refused = connection.exchange({"POST", "/", "text/plain", "more"});
    ASSERT_FALSE(refused);
    expect_has(to_string(refused.error()), "longer");
    const TlsServer wordy([](const HttpsRequest&) {
        return HttpsReply{.body = "", .headers = {{"X-Long", std::string(kMaxAnswerHead, 'x')}}};
    });
    expect_has(asked(pinned(wordy)), "longer");
}

TEST(FleetHttps, SilenceEnds) {
    const TlsServer silent([](const HttpsRequest&) { return HttpsReply{.silent = true}; });
    expect_has(asked(pinned(silent), 300ms), "nothing in");
    const TlsServer half(
        [](const HttpsRequest&) { return HttpsReply{.body = "a long one", .cut = 3}; });
    expect_has(asked(pinned(half), 300ms), "nothing in");
    // A server that takes connections, and says nothing: no handshake.
    Verifier nobody;
    {
        const TlsServer gone(echo);
        nobody = pinned(gone);
    }
    expect_has(asked(nobody), "may this host reach it");
}

TEST(FleetHttps, AConnectionThatWasClosedMeanwhileIsMadeAgain) {
    const TlsServer server(
        [](const HttpsRequest&) { return HttpsReply{.body = "x", .close = true}; });
    auto connection = Connection::open(pinned(server)).value();
    for (unsigned i = 1; i <= 3; ++i) {
        const auto answer = connection.exchange({"POST", "/", "text/plain", "y"});
        ASSERT_TRUE(answer) << to_string(answer.error());
        EXPECT_EQ(server.requests(), i);
    }
    EXPECT_EQ(server.connections(), 3u);
}

}  // namespace fleet_https_test
}  // namespace keyscribe::fleet
