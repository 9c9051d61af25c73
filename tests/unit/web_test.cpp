// SPDX-License-Identifier: Apache-2.0
// The verifier's pages: who may see and change what, and that nothing foreign becomes markup.
#include <soci/soci.h>

#include <regex>
#include <set>

#include "controller/service/verifier/seen_keys.h"
#include "controller/service/web/pages.h"
#include "controller/service/web/routes.h"
#include "controller/service/web/words.h"
#include "verifier_fleet.h"

namespace keyscribe::web {
namespace web_test {

using testing::FleetHost;
using verifier::Response;
using verifier::Role;

class Web : public verifier::Fleet {
  protected:
    void SetUp() override {
        Fleet::SetUp();
        operator_ = *create_token(*service_->database, {.role = "operator", .label = "ann"});
        reader_ = *create_token(*service_->database, {.role = "reader", .label = "<b>bob"});
        routes_ = *routes(*service_);
    }

    Response ask(Request request) {
        Response refusal;
        const auto* route = verifier::find_route(routes_, request, refusal);
        return route == nullptr ? refusal : route->handle(request);
    }
    Response get(const std::string& target, const std::string& cookie = {}) {
        Request request{.method = "GET"};
        EXPECT_TRUE(verifier::parse_target(target, request));
        if (!cookie.empty()) request.fields["cookie"] = cookie;
        return ask(request);
    }
    static Request form(const std::string& path, const std::string& body,
                        const std::string& cookie = {}) {
        Request request{.method = "POST", .path = path, .body = body};
        request.fields = {{"content-type", "application/x-www-form-urlencoded"},
                          {"host", "verifier:8443"},
                          {"origin", "https://verifier:8443"},
                          {"sec-fetch-site", "same-origin"}};
        if (!cookie.empty()) request.fields["cookie"] = cookie;
        return request;
    }
    static std::string field(const Response& response, const std::string& name) {
        for (const auto& [one, value] : response.fields)
            if (one == name) return value;
        return {};
    }
    /// Returns what the browser sends from then on.
    std::string log_in(const std::string& token) {
        const std::string set =
            field(ask(form("/login", "token=" + token + "&next=/")), "Set-Cookie");
        return set.substr(0, set.find(';'));
    }
    /// The token in the forms of a page.
    static std::string form_token(const Response& response) {
        std::smatch found;
        std::regex_search(response.body, found, std::regex("name=\"form\" value=\"([^\"]*)\""));
        return found[1];
    }

    std::vector<verifier::Route> routes_;
    std::string operator_, reader_;
};
FLEET_ON_BOTH_ENGINES(Web);

TEST_P(Web, WithoutASessionThereIsTheFormAlone) {
    for (const char* path : {"/", "/hosts", "/hosts/x", "/hosts/x/report", "/keys?q=a", "/keys/x",
                             "/enrolments", "/references"})
        for (const char* cookie : {"", "__Host-keyscribe=", "__Host-keyscribe=a.9999999999.b.c"}) {
            const Response response = get(path, cookie);
            EXPECT_EQ(response.status, 200u);
            EXPECT_NE(response.body.find("action=\"/login\""), std::string::npos) << path;
            EXPECT_EQ(response.body.find("<nav"), std::string::npos) << path;
        }
    const std::string enrol = *create_token(*service_->database, {.role = "enrol"});
    for (const std::string& wrong : {std::string("guessed"), enrol}) {
        const Response response = ask(form("/login", "token=" + wrong));
        EXPECT_EQ(response.status, 403u);
        EXPECT_EQ(field(response, "Set-Cookie"), "");
    }
}

TEST_P(Web, ASessionEndsWithItsTimeAndItsToken) {
    const Response response = ask(form("/login", "token=" + operator_ + "&next=/hosts?group=a"));
    EXPECT_EQ(response.status, 303u);
    EXPECT_EQ(field(response, "Location"), "/hosts?group=a");
    const std::string set = field(response, "Set-Cookie");
    for (const char* part : {"__Host-keyscribe=", "; Path=/", "; Secure", "; HttpOnly",
                             "; SameSite=Strict", "; Max-Age=28800"})
        EXPECT_NE(set.find(part), std::string::npos) << set;
    EXPECT_EQ(set.find(operator_), std::string::npos);

    const auto sessions = Sessions::open(*service_->database);
    Request request{.fields = {{"cookie", "other=1; " + set.substr(0, set.find(';'))}}};
    const auto role = [&](std::int64_t time) { return sessions->visitor(request, time)->role; };
    EXPECT_EQ(role(verifier::now()), Role::kOperator);
    EXPECT_EQ(role(verifier::now() + kSessionLife + 1), Role::kNobody);
    // A digit of its end, or of the MAC, is another.
    std::string& cookie = request.fields["cookie"];
    for (const std::size_t at : {cookie.find('.') + 1, cookie.size() - 1}) {
        const char kept = cookie[at];
        cookie[at] = kept == '8' ? '9' : '8';
        EXPECT_EQ(role(verifier::now()), Role::kNobody);
        cookie[at] = kept;
    }
    const std::string brief = *create_token(*service_->database, {.role = "operator"}, 1);
    EXPECT_EQ(ask(form("/login", "token=" + brief)).status, 403u);
    const std::string id = verifier::token_digest(operator_).substr(0, 16);
    EXPECT_EQ(verifier::revoke_token(*service_->database, id), true);
    EXPECT_EQ(role(verifier::now()), Role::kNobody);
}

TEST_P(Web, ALoginLeadsNowhereElse) {
    for (const char* to : {"https://evil.example/", "//evil.example", "/%5Cevil.example",
                           "/a%0d%0aSet-Cookie:x=y", "javascript:alert(1)", ""})
        EXPECT_EQ(field(ask(form("/login", "token=" + operator_ + "&next=" + to)), "Location"), "/")
            << to;
}

TEST_P(Web, AFormMustComeFromThisSessionsPage) {
    const FleetHost host("web-1.example");
    const std::string id = prove(host), cookie = log_in(operator_);
    const Response page = get("/enrolments", cookie);
    const std::string token = form_token(page);
    ASSERT_FALSE(token.empty());
    const std::string body = "accept=yes&reason=mine&form=" + token;
    const auto status = [&](Request request) { return ask(std::move(request)).status; };
    const std::string path = "/enrolments/" + id;
    EXPECT_EQ(status(form(path, "accept=yes", cookie)), 403u);
    EXPECT_EQ(status(form(path, "accept=yes&form=" + token + "x", cookie)), 403u);
    EXPECT_EQ(status(form(path, body)), 403u);
    // Another session of the same operator.
    EXPECT_EQ(status(form(path, body, log_in(operator_))), 403u);
    for (const auto& [name, value] :
         {std::pair{"sec-fetch-site", "cross-site"}, std::pair{"sec-fetch-site", "same-site"},
          std::pair{"origin", "https://evil.example"}, std::pair{"origin", "null"},
          std::pair{"content-type", "text/plain"}}) {
        Request request = form(path, body, cookie);
        request.fields[name] = value;
        EXPECT_EQ(status(request), 403u) << name << value;
    }
    EXPECT_EQ((*service_->enrolments->show(id))["state"], "waiting");
    EXPECT_EQ(status(form(path, body, cookie)), 303u);
    EXPECT_EQ((*service_->enrolments->show(id))["state"], "accepted");
    EXPECT_EQ(status(form(path, body, cookie)), 409u);
    EXPECT_NE(get("/hosts/web-1.example", cookie).body.find("operator: ann"), std::string::npos);
}

TEST_P(Web, ReadersChangeNothing) {
    const FleetHost host("web-1.example");
    const std::string id = prove(host), cookie = log_in(reader_);
    const Response page = get("/enrolments", cookie);
    EXPECT_NE(page.body.find("web-1.example"), std::string::npos);
    EXPECT_EQ(page.body.find("class=\"decision\""), std::string::npos);
    // The one form that readers have, and its token.
    const Response refused =
        ask(form("/enrolments/" + id, "accept=yes&form=" + form_token(page), cookie));
    EXPECT_EQ(refused.status, 403u);
    EXPECT_EQ((*service_->enrolments->show(id))["state"], "waiting");
    const Response out = ask(form("/logout", "form=" + form_token(page), cookie));
    EXPECT_EQ(out.status, 303u);
    EXPECT_NE(field(out, "Set-Cookie").find("Max-Age=0"), std::string::npos);
}

TEST_P(Web, ACertificateIsAnOperatorsToo) {
    const FleetHost host("web-1.example");
    const std::string id = prove(host);
    Request request{.method = "GET", .path = "/enrolments", .certificate = "/CN=ann"};
    const std::string token = form_token(ask(request));
    ASSERT_FALSE(token.empty());
    Request accept = form("/enrolments/" + id, "accept=no&form=" + token);
    EXPECT_EQ(ask(accept).status, 403u);
    accept.certificate = "/CN=eve";
    EXPECT_EQ(ask(accept).status, 403u);
    accept.certificate = "/CN=ann";
    EXPECT_EQ(ask(accept).status, 303u);
    EXPECT_EQ((*service_->enrolments->show(id))["state"], "refused");
}

TEST_P(Web, EveryPageIsBound) {
    const std::string cookie = log_in(reader_);
    for (const char* path : {"/", "/hosts", "/hosts/none", "/keys", "/keys/none", "/enrolments",
                             "/references", "/login"}) {
        const Response page = get(path, cookie);
        const std::string policy = field(page, "Content-Security-Policy");
        EXPECT_TRUE(policy.starts_with("default-src 'none'; style-src 'sha256-")) << path;
        EXPECT_NE(policy.find("frame-ancestors 'none'"), std::string::npos) << path;
        EXPECT_EQ(field(page, "X-Content-Type-Options"), "nosniff") << path;
        EXPECT_EQ(page.type, "text/html; charset=utf-8");
        EXPECT_EQ(page.body.find("<script"), std::string::npos) << path;
        EXPECT_EQ(page.body.find("style="), std::string::npos) << path;
        // A token's label is somebody's word too.
        EXPECT_EQ(page.body.find("<b>bob"), std::string::npos) << path;
    }
    EXPECT_NE(get("/hosts", cookie).body.find("&lt;b&gt;bob"), std::string::npos);
    EXPECT_EQ(get("/hosts/none", cookie).status, 404u);
    EXPECT_EQ(get("/keys/none", cookie).status, 404u);
}

TEST_P(Web, WhatHostsAndOperatorsSayIsNoMarkup) {
    const std::string bad = "\"><script>alert(1)</script>\u202e";
    FleetHost host("web-1.example");
    trust(host.host.builtin, bad);
    host.host.good();
    const auto key = testing::Host::shared_key(7);
    host.host.key(".ima", testing::certificate(key.get(), bad, key.get(), bad), 301, bad.c_str());
    const std::string id = enrol(host);
    ASSERT_EQ(outcome(visit(host)), "contraindicated");
    const std::string cookie = log_in(operator_);
    const auto keys = *verifier::new_keys(*service_->database, 0);
    std::vector<std::string> paths = {"/",
                                      "/hosts/" + id,
                                      "/hosts/" + id + "/report",
                                      "/keys",
                                      "/references",
                                      "/keys?q=%22%3E%3Cscript%3E",
                                      "/hosts?name=%22%3E%3Cscript%3E&group=%22%3E"};
    for (const auto& one : keys) paths.push_back("/keys/" + text_of(one, "fingerprint"));
    for (const std::string& path : paths) {
        const Response page = get(path, cookie);
        EXPECT_EQ(page.status, 200u) << path;
        EXPECT_EQ(page.body.find("<script"), std::string::npos) << path;
        EXPECT_EQ(page.body.find("\u202e"), std::string::npos) << path;
    }
    EXPECT_NE(get("/references", cookie).body.find("&lt;script&gt;"), std::string::npos);
    EXPECT_NE(get("/hosts/" + id, cookie).body.find("key-unknown"), std::string::npos);
}

TEST_P(Web, AKeysPageSaysWhoSignedItAndWhere) {
    FleetHost host("web-1.example");
    trust(host);
    host.host.good();
    const std::string id = enrol(host);
    ASSERT_EQ(outcome(visit(host)), "affirmed");
    const std::string cookie = log_in(reader_);
    const std::string page = get("/keys/" + to_hex(sha256(host.host.ima)), cookie).body;
    EXPECT_NE(page.find("signature verified"), std::string::npos);
    // Of the signer, which was there before Keyscribe, the host shows the public key alone.
    EXPECT_NE(page.find("a reference value"), std::string::npos);
    std::smatch link;
    ASSERT_TRUE(std::regex_search(page, link, std::regex("/keys\\?q=([0-9a-f]{64})\"")));
    EXPECT_NE(get("/keys/" + link[1].str(), cookie).body.find("itself"), std::string::npos);
    EXPECT_NE(page.find("href=\"/hosts/" + id), std::string::npos);
    const std::string before =
        get("/keys/" + to_hex(sha256(host.host.ima)) + "?at=2020-01-01T00:00", cookie).body;
    EXPECT_NE(before.find("Nowhere at that time"), std::string::npos);
}

TEST_P(Web, AKeyThatLiesAboutItsIssuerIsToldSo) {
    FleetHost host("web-1.example");
    trust(host);
    host.host.good();
    const auto key = testing::Host::shared_key(7);
    const auto liar = testing::certificate(key.get(), "File signer", key.get(), "Build key");
    host.host.key(".ima", liar, 301, "File signer: e0");
    enrol(host);
    ASSERT_EQ(outcome(visit(host)), "contraindicated");
    const std::string page = get("/keys/" + to_hex(sha256(liar)), log_in(reader_)).body;
    EXPECT_NE(page.find("itself <span class=\"badge bad\">it names another"), std::string::npos);
}

TEST_P(Web, HostsAreShownAPageAtATimeAndBySilence) {
    const auto add = [&](int from, int to) {
        return service_->database->write([&](soci::session& session) -> Result<void> {
            for (int i = from; i < to; ++i) {
                const std::string id = fmt::format("{:032}", i);
                session << "insert into hosts (tenant, id, name, grp, ek, ak, ak_key, accepted_by, "
                           "enrolled, revision, generation, verdict, verdict_since, silent, "
                           "last_seen, deadline, reset_count, restart_count, clock, boot_id, "
                           "entries, list_bytes, ima_entries, ima_bytes, fingerprint, basis, "
                           "judge_again, last_nonce, refused) values ('default', '" +
                               id + "', 'h-" + std::to_string(i) + "', 'web', '', '" + id +
                               "', '', '', 1, 0, 0, 'affirmed', 1, " + (i % 10 == 0 ? "1" : "0") +
                               ", 1, 1, 0, 0, 0, '', 0, 0, 0, 0, '', '', 0, '', 0)";
            }
            return {};
        });
    };
    ASSERT_TRUE(add(0, 250));
    const std::string cookie = log_in(reader_);
    const auto walk = [&](std::string target) {
        std::set<std::string> seen;
        for (int pages = 0; !target.empty() && pages < 10; ++pages) {
            const std::string body = get(target, cookie).body;
            std::smatch found;
            for (auto at = body.cbegin();
                 std::regex_search(at, body.cend(), found, std::regex("/hosts/(0[0-9]{31})\""));
                 at = found[0].second)
                EXPECT_TRUE(seen.insert(found[1]).second);
            std::regex next("rel=\"next\" href=\"([^\"]*)\"");
            target = std::regex_search(body, found, next)
                         ? std::regex_replace(found[1].str(), std::regex("&amp;"), "&")
                         : "";
        }
        return seen.size();
    };
    EXPECT_EQ(walk("/hosts"), 250u);
    EXPECT_EQ(walk("/hosts?verdict=silent"), 25u);
    // As many as the tile of the first page says: a silent host is none of them.
    EXPECT_EQ(walk("/hosts?verdict=affirmed&group=web"), 225u);
    EXPECT_EQ(walk("/hosts?name=h-24&group=web"), 11u);
    EXPECT_EQ(walk("/hosts?group=other"), 0u);
    EXPECT_NE(get("/", cookie).body.find("<b>225</b>affirmed"), std::string::npos);
}

TEST(WebWords, PartsOfAddressesAreEscaped) {
    EXPECT_EQ(url_part("a/b?\"'<>\xff"), "a%2Fb%3F%22%27%3C%3E%FF");
}

}  // namespace web_test
}  // namespace keyscribe::web
