// SPDX-License-Identifier: Apache-2.0
// The page of `keyscribe report`: what hostile bytes become, where the graph's parts lie, and what
// stands on the page. tests/report looks at it in a browser.
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "controller/service/report/graph_layout.h"
#include "controller/service/report/html.h"
#include "controller/service/report/page.h"
#include "controller/service/report/signers.h"
#include "controller/service/report/words.h"
#include "tests/support/report_hosts.h"

namespace keyscribe::report {
namespace report_test {

using appraise::Appraisal;
using appraise::Verdict;
using testing::Buffer;
using testing::Host;

TEST(Escape, WhatHasAMeaningInHtml) {
    EXPECT_EQ(escape("</script><img src=x onerror='a(\"b\")'>`&"),
              "&lt;/script&gt;&lt;img src=x onerror=&#39;a(&quot;b&quot;)&#39;&gt;&#96;&amp;");
    EXPECT_EQ(escape("plain text, Grüße, 鍵, 🔑"), "plain text, Grüße, 鍵, 🔑");
}

TEST(Escape, WhatCannotBeSeen) {
    EXPECT_EQ(escape("a\nb\r\t\x1b[31m\x7f"), "a\\x0ab\\x0d\\x09\\x1b[31m\\x7f");
    EXPECT_EQ(escape(std::string_view("a\0b", 3)), "a\\x00b");
    EXPECT_EQ(escape("\xc2\x85\xc2\xa0"), "\\u{85}\\u{a0}");
    EXPECT_EQ(escape("a\\x0a"), "a\\\\x0a");
    for (const char32_t code :
         {0x202aU, 0x202bU, 0x202cU, 0x202dU, 0x202eU, 0x2066U, 0x2067U, 0x2068U, 0x2069U, 0x200eU,
          0x200fU, 0x200bU, 0x2028U, 0xfeffU, 0x0301U}) {
        std::string utf8;
        if (code < 0x800) {
            utf8 = {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
        } else {
            utf8 = {static_cast<char>(0xe0 | code >> 12),
                    static_cast<char>(0x80 | (code >> 6 & 63)),
                    static_cast<char>(0x80 | (code & 63))};
        }
        EXPECT_EQ(escape("a" + utf8 + "b"), fmt::format("a\\u{{{:x}}}b", std::uint32_t{code}));
    }
    EXPECT_EQ(escape("\xf3\xa0\x81\x81"), "\\u{e0041}");
}

TEST(Escape, WhatIsNotUtf8) {
    EXPECT_EQ(escape("\xff\x80"), "\\xff\\x80");
    EXPECT_EQ(escape("\xc0\xbc"), "\\xc0\\xbc");           // '<', too long
    EXPECT_EQ(escape("\xe0\x80\xbc"), "\\xe0\\x80\\xbc");  // likewise
    EXPECT_EQ(escape("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
    EXPECT_EQ(escape("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
    EXPECT_EQ(escape("\xe2\x82"), "\\xe2\\x82");
    EXPECT_EQ(escape("\xe2<b>"), "\\xe2&lt;b&gt;");
}

/// Of any bytes: nothing that could end a text or an attribute, and no character but printable
/// ones.
TEST(Escape, EveryByteAndEveryPair) {
    for (int first = 0; first < 256; ++first)
        for (int second = 0; second < 256; ++second) {
            const std::string safe =
                escape(std::string{static_cast<char>(first), static_cast<char>(second)});
            for (const char letter : safe) {
                const auto byte = static_cast<unsigned char>(letter);
                ASSERT_TRUE(byte >= 0x20 && byte != 0x7f && letter != '<' && letter != '>' &&
                            letter != '"' && letter != '\'' && letter != '`')
                    << first << ' ' << second;
            }
        }
}

TEST(Beginning, CutsNoCharacterInTwo) {
    EXPECT_EQ(beginning("abc", 3), "abc");
    EXPECT_EQ(beginning("abcd", 3), "abc");
    EXPECT_EQ(beginning("ab\xe2\x82\xac", 4), "ab");
    EXPECT_EQ(beginning("ab\xe2\x82\xac", 5), "ab\xe2\x82\xac");
    EXPECT_EQ(beginning("\x80\x80\x80\x80\x80\x80", 5), "\x80\x80");
}

TEST(Words, NumbersAndTimes) {
    EXPECT_EQ(grouped(0), "0");
    EXPECT_EQ(grouped(1234567), "1,234,567");
    EXPECT_EQ(count(1, "entry"), "1 entry");
    EXPECT_EQ(count(2000, "entry"), "2,000 entries");
    EXPECT_EQ(duration(12345), "12.345 s");
    EXPECT_EQ(duration(3'723'000), "1 h 2 min");
    EXPECT_EQ(utc(0), "1970-01-01 00:00:00 UTC");
    EXPECT_EQ(utc(INT64_MAX), "");
    evidence::Evidence evidence;
    EXPECT_FALSE(wall_clock(&evidence, 1));
    evidence.time = UINT64_MAX;
    evidence.boot_time = 1;
    EXPECT_FALSE(wall_clock(&evidence, UINT64_MAX));
    evidence.time = 1000;
    evidence.boot_time = 100'000'000'000;
    EXPECT_EQ(wall_clock(&evidence, 7'000'000'000), 907);
}

TEST(GraphLayout, BoxesLieBelowEachOtherAndTrunksApart) {
    // Two roots, two in the middle, and what they signed: crosswise.
    const GraphShape shape{{0, 0, 1, 1, 2, 2, 2}, {{0, 2}, {1, 3}, {2, 4}, {3, 5}, {2, 6}, {0, 6}}};
    const GraphLayout layout = lay_out(shape);
    ASSERT_EQ(layout.boxes.size(), 7u);
    EXPECT_EQ(layout.headings.size(), 3u);
    for (std::size_t i = 0; i < layout.boxes.size(); ++i) {
        const auto& box = layout.boxes[i];
        EXPECT_LE(box.x + box.width, layout.width);
        EXPECT_LE(box.y + box.height, layout.height);
        if (i != 0) {
            EXPECT_GE(box.y, layout.boxes[i - 1].y + layout.boxes[i - 1].height);
        }
    }
    ASSERT_EQ(layout.trunks.size(), 4u);
    for (const auto& trunk : layout.trunks) {
        EXPECT_GT(trunk.x, 0);
        EXPECT_LT(trunk.x, layout.boxes[0].x);
        EXPECT_EQ(trunk.top, layout.boxes[trunk.signer].middle());
        EXPECT_EQ(trunk.bottom, layout.boxes[trunk.signed_ones.back()].middle());
        for (const auto& other : layout.trunks) {
            if (&other == &trunk) continue;
            EXPECT_TRUE(other.x != trunk.x || other.bottom < trunk.top || other.top > trunk.bottom);
        }
    }
}

TEST(GraphLayout, NothingAndVeryMuch) {
    EXPECT_EQ(lay_out({}).height, 0);
    GraphShape shape;
    for (std::size_t i = 0; i < 200; ++i) {
        shape.bands.push_back(0);
        if (i >= 100) shape.edges.emplace_back(i - 100, i);
    }
    const GraphLayout layout = lay_out(shape);
    EXPECT_LT(layout.boxes[0].x, layout.width / 2);
    for (const auto& trunk : layout.trunks) EXPECT_GT(trunk.x, 0);
}

TEST(TrustLayer, AsThePolicyChainsThem) {
    const appraise::AppraisalPolicy policy;
    EXPECT_EQ(trust_layer(policy, ".builtin_trusted_keys"), 0u);
    EXPECT_EQ(trust_layer(policy, ".machine"), 0u);
    EXPECT_EQ(trust_layer(policy, ".secondary_trusted_keys"), 1u);
    EXPECT_EQ(trust_layer(policy, ".ima"), 2u);
    EXPECT_GT(trust_layer(policy, "staging"), 2u);
    appraise::AppraisalPolicy circle;
    circle.chain.signers = {{"a", {"b"}}, {"b", {"a", "b"}}};
    EXPECT_GT(trust_layer(circle, "a"), 0u);
}

/// A host, and the page about it.
struct Paper {
    Host host;
    appraise::Basis basis;
    Limits limits;
    Buffer bytes;
    Appraisal appraisal;

    Paper() {
        EXPECT_TRUE(basis.references.add(host.builtin, "/references/build.der"));
        EXPECT_TRUE(basis.references.add(host.ima, "/references/ima.der"));
    }
    std::string write(const std::string& source = "host.evidence") {
        if (bytes.empty()) bytes = host.encoded();
        auto key = appraise::AttestationKey::from_pem(host.quote.pem());
        EXPECT_TRUE(key);
        const appraise::Request request{.evidence = bytes,
                                        .nonce = host.quote.nonce,
                                        .keys = {&*key, 1},
                                        .now = std::time(nullptr)};
        appraisal = appraise::appraise(request, basis);
        return page({.appraisal = appraisal,
                     .request = request,
                     .basis = basis,
                     .source = source,
                     .version = "test",
                     .evidence = appraisal.document ? &appraisal.document->evidence : nullptr,
                     .limits = limits});
    }
};

bool has(const std::string& page, std::string_view text) { return page.find(text) != page.npos; }

/// Element by element: what is opened is closed, in order, no id stands twice, every link within
/// the page leads somewhere, and nothing leads out of it.
void check_structure(const std::string& page) {
    const std::set<std::string> alone = {"meta", "link"};
    const std::set<std::string> elements = {
        "a",     "article", "b",    "bdi",     "body", "caption", "circle", "code",    "dd",
        "desc",  "details", "div",  "dl",      "dt",   "em",      "footer", "g",       "h1",
        "h2",    "h3",      "head", "header",  "html", "li",      "main",   "nav",     "ol",
        "p",     "path",    "rect", "section", "span", "strong",  "style",  "summary", "svg",
        "table", "tbody",   "td",   "text",    "th",   "thead",   "title",  "tr",      "ul"};
    std::vector<std::string> open;
    std::set<std::string> ids, targets;
    const std::size_t style = page.find("<style>");
    const std::size_t style_end = page.find("</style>");
    const std::string markup = page.substr(0, style + 7) + page.substr(style_end);
    const std::regex tag(R"re(<(/?)([a-z0-9]+)((?: [a-z-]+(?:="[^"<>]*")?)*)(/?)>)re");
    const std::regex attribute(R"re( ([A-Za-z-]+)="([^"]*)")re");
    for (std::size_t at = markup.find('<'); at != markup.npos; at = markup.find('<', at + 1)) {
        if (markup.compare(at, 15, "<!DOCTYPE html>") == 0) continue;
        std::smatch found;
        const std::size_t end = markup.find('>', at);
        ASSERT_NE(end, markup.npos);
        std::string one = markup.substr(at, end - at + 1);
        for (const char* camel : {"viewBox"})
            if (const auto place = one.find(camel); place != one.npos)
                one.replace(place, 7, "viewbox");
        if (one.starts_with("<link")) continue;  // the icon: its data has angles in percent form
        ASSERT_TRUE(std::regex_match(one, found, tag)) << one.substr(0, 200);
        const std::string name = found[2];
        if (found[1].length() != 0) {
            ASSERT_FALSE(open.empty());
            ASSERT_EQ(open.back(), name) << markup.substr(at > 200 ? at - 200 : 0, 260);
            open.pop_back();
            continue;
        }
        ASSERT_TRUE(elements.contains(name) || alone.contains(name)) << name;
        const std::string attributes = found[3];
        for (std::sregex_iterator it(attributes.begin(), attributes.end(), attribute), none;
             it != none; ++it) {
            const std::string key = (*it)[1], value = (*it)[2];
            ASSERT_FALSE(key.starts_with("on") || key == "src" || key == "style") << one;
            if (key == "id") {
                ASSERT_TRUE(ids.insert(value).second) << value;
            }
            if (key == "href") {
                ASSERT_TRUE(value.starts_with("#")) << value;
                targets.insert(value.substr(1));
            }
        }
        if (found[4].length() == 0 && !alone.contains(name)) open.push_back(name);
    }
    EXPECT_TRUE(open.empty());
    for (const std::string& target : targets) EXPECT_TRUE(ids.contains(target)) << target;
}

TEST(Report, AGoodHost) {
    Paper paper;
    paper.host.good();
    const std::string page = paper.write();
    EXPECT_EQ(paper.appraisal.verdict, Verdict::kAffirmed);
    check_structure(page);
    for (const char* text :
         {"<h1 id=\"verdict-word\">Affirmed</h1>", Host::kBootId, "id=\"findings\"",
          "id=\"keyrings\"", "id=\"timeline\"", "id=\"signers\"", "<html lang=\"en\">",
          "0102030405060708", "<bdi>.builtin_trusted_keys</bdi>", "<bdi>.ima</bdi>",
          "<bdi>File signer: 11</bdi>", "CN=Build key", "build.der", "ima.der",
          "known by public key", "<th scope=\"col\">", "<th scope=\"row\">"})
        EXPECT_TRUE(has(page, text)) << text;
    EXPECT_TRUE(has(page, "default-src 'none'; style-src 'sha256-"));
    EXPECT_FALSE(has(page, "<script"));
    const auto digest = [](std::string_view of) {
        return to_hex(hash(Algorithm::kSha256, as_bytes(of)));
    };
    for (const char* part : {"c", "b"}) EXPECT_TRUE(has(page, digest(part))) << part;
    EXPECT_TRUE(has(page, paper.appraisal.policy_digest));
    for (const auto& [bank, value] : paper.host.list.pcrs())
        EXPECT_TRUE(has(page, to_hex(value.at(Host::kPcr))));
}

TEST(Report, EveryFindingAndWhereItStemsFrom) {
    Paper paper;
    paper.host.good();
    const auto rogue = Host::shared_key(3);
    paper.host.key(".ima", testing::certificate(rogue.get(), "Rogue", rogue.get(), "Rogue"), 301,
                   "Rogue: 22");
    const auto rogue_entry = paper.host.list.entries - 1;
    paper.host.list.record("loss", {{"first", 3}, {"last", 4}, {"count", 2}});
    paper.host.event("unlink", 301, ".ima", "Rogue: 22");
    const std::string page = paper.write();
    EXPECT_EQ(paper.appraisal.verdict, Verdict::kContraindicated);
    check_structure(page);
    EXPECT_GE(paper.appraisal.findings.size(), 3u);
    for (const auto& finding : paper.appraisal.findings) {
        EXPECT_TRUE(has(page, fmt::format("<code class=\"code\">{}</code>", finding.code)));
        EXPECT_TRUE(has(page, escape(finding.sentence)));
        if (finding.entry) {
            EXPECT_TRUE(has(page, fmt::format("<span id=\"entry-{}\">", *finding.entry)));
        }
    }
    EXPECT_TRUE(has(page, fmt::format("href=\"#entry-{}\"", rogue_entry)));
    EXPECT_TRUE(has(page, "<span class=\"badge bad\">unknown</span>"));
    EXPECT_TRUE(has(page, "1 key that stood here before"));
    EXPECT_TRUE(has(page, "2 key events were lost"));
}

TEST(Report, HostileNamesStayText) {
    Paper paper;
    testing::make_hostile(paper.host);
    const std::string page = paper.write("</title><script>alert(1)</script>\".evidence");
    check_structure(page);
    EXPECT_FALSE(has(page, "<script"));
    EXPECT_FALSE(has(page, "<img"));
    EXPECT_FALSE(has(page, "onerror=\""));
    EXPECT_FALSE(has(page, "\xe2\x80\xae"));
    EXPECT_FALSE(has(page, "\xe2\x81\xa6"));
    EXPECT_TRUE(has(page, "\\u{202e} gnp.exe \\u{2066}"));
    EXPECT_TRUE(
        has(page, "&lt;/script&gt;&lt;img src=x onerror=document.title=&#39;taken&#39;&gt;"));
    EXPECT_TRUE(has(page, "(4,095 bytes)"));
    EXPECT_TRUE(has(page, std::string(4095, 'A')));
    EXPECT_TRUE(has(page, "{0} {} {{}}"));
}

TEST(Report, UnusableEvidenceStillSaysWhy) {
    {
        Paper paper;
        paper.bytes = Buffer{'n', 'o', 't', '<', 'b', '>'};
        const std::string page = paper.write();
        EXPECT_EQ(paper.appraisal.verdict, Verdict::kUnusable);
        check_structure(page);
        EXPECT_TRUE(has(page, "evidence-malformed"));
        EXPECT_TRUE(has(page, "Unusable"));
    }
    {
        // Of a list that nothing vouches for not a word is told.
        Paper paper;
        paper.host.good();
        paper.host.key("staging", Buffer{1, 2, 3}, 500, "a secret name");
        paper.host.list.extend_only("something else");
        const std::string page = paper.write();
        EXPECT_EQ(paper.appraisal.verdict, Verdict::kUnusable);
        check_structure(page);
        EXPECT_TRUE(has(page, "list-replay"));
        EXPECT_TRUE(has(page, "Nothing vouches for that."));
        EXPECT_FALSE(has(page, "a secret name"));
        EXPECT_FALSE(has(page, "id=\"keyrings\""));
    }
}

TEST(Report, KeyringsInKeyringsAlsoInACircle) {
    Paper paper;
    paper.host.good();
    // .secondary_trusted_keys holds .builtin_trusted_keys; a and b hold each other.
    const auto link = [&](int serial, std::string_view what, int ring, std::string_view into) {
        paper.host.list.record("link",
                               paper.host.key_fields("link", serial, into, ring, what, "keyring"));
    };
    link(100, ".builtin_trusted_keys", 102, ".secondary_trusted_keys");
    link(701, "a", 702, "b");
    link(702, "b", 701, "a");
    const std::string page = paper.write();
    check_structure(page);
    const std::size_t outer =
        page.find("<bdi>.secondary_trusted_keys</bdi> <span class=\"number\">");
    ASSERT_NE(outer, page.npos);
    EXPECT_NE(page.find("<bdi>.builtin_trusted_keys</bdi></strong>", outer), page.npos);
    EXPECT_TRUE(has(page, "a keyring, shown by itself"));
}

TEST(Report, LongListsAreFoldedAndBounded) {
    Paper paper;
    paper.limits = {.moments = 40,
                    .moments_folded = 10,
                    .keyrings = 4,
                    .keys = 5,
                    .signers = 2,
                    .verifications = 1};
    paper.host.good();
    // Of a type that nobody judges, so that no finding stems from them.
    const auto link = [&](int serial, int ring, const std::string& name) {
        paper.host.list.record("link", paper.host.key_fields("link", serial, name, ring,
                                                             std::to_string(serial), "user"));
    };
    for (int i = 0; i < 60; ++i) link(800 + i, 700, "staging");
    paper.host.list.record("loss", {{"first", 3}, {"last", 4}, {"count", 2}});
    const auto loss = paper.host.list.entries - 1;
    for (int i = 0; i < 60; ++i) link(900 + i, 701, ".later");
    for (int i = 0; i < 4; ++i) link(990 + i, 710 + i, "ring " + std::to_string(i));
    const std::string page = paper.write();
    check_structure(page);
    EXPECT_TRUE(has(page, "<details class=\"fold\" open>"));
    EXPECT_TRUE(has(page, "<details class=\"fold\"><summary>"));
    EXPECT_TRUE(has(page, fmt::format("<span id=\"entry-{}\">", loss)));
    EXPECT_TRUE(has(page, "more records without a finding are not shown"));
    EXPECT_TRUE(has(page, "55 more are not shown."));
    EXPECT_TRUE(has(page, "more keyrings are not shown."));
}

/// The signatures are OpenSSL's, so the graph's edges are what was really signed.
TEST(Report, WhoSignedWhom) {
    Paper paper;
    paper.host.begin();
    const auto middle_key = Host::shared_key(5), leaf_key = Host::shared_key(6);
    const Buffer middle =
        testing::certificate(middle_key.get(), "Middle", paper.host.builtin_key.get(), "Build key");
    const Buffer leaf = testing::certificate(leaf_key.get(), "Leaf", middle_key.get(), "Middle");
    const Buffer liar = testing::certificate(leaf_key.get(), "Liar", leaf_key.get(), "Middle");
    testing::add(paper.host, ".secondary_trusted_keys", 102, middle, 500, "Middle", 1);
    testing::add(paper.host, ".ima", 101, leaf, 501, "Leaf", 2);
    testing::add(paper.host, ".ima", 101, liar, 502, "Liar", 3);
    (void)paper.write();
    ASSERT_TRUE(paper.appraisal.next);
    for (const bool known : {true, false}) {
        // Without reference values the root's key has no certificate, and verifies all the same.
        const appraise::Basis nothing;
        const Story story(paper.appraisal);
        const SignerGraph graph =
            signer_graph({story, known ? paper.basis : nothing, std::time(nullptr)}, {});
        ASSERT_EQ(graph.nodes.size(), 4u);
        EXPECT_EQ(graph.bands, (std::vector<std::string>{".builtin_trusted_keys",
                                                         ".secondary_trusted_keys", ".ima"}));
        EXPECT_EQ(graph.nodes[0].self_signed, known);
        EXPECT_EQ(graph.nodes[1].label, "Middle");
        EXPECT_EQ(graph.nodes[1].signers, std::vector<std::size_t>{0});
        EXPECT_EQ(graph.nodes[2].signers, std::vector<std::size_t>{1});
        EXPECT_TRUE(graph.nodes[3].signers.empty()) << "by another key of the same name";
        EXPECT_FALSE(graph.unfinished);
    }
}

}  // namespace report_test
}  // namespace keyscribe::report
