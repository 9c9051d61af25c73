// SPDX-License-Identifier: Apache-2.0
#include "controller/service/web/frame.h"

#include "controller/base/base64.h"
#include "controller/service/report/style.h"
#include "controller/service/report/words.h"
#include "controller/service/verifier/database.h"
#include "controller/service/web/style.h"

namespace keyscribe::web {
namespace {

std::string hash_of(std::string_view style) {
    return base::to_base64(hash(Algorithm::kSha256, as_bytes(style)));
}

/// Not no-referrer: with that, browsers send "Origin: null" from this page's own forms
/// (Fetch, 3.2).
verifier::Response document(std::string text, std::string_view style, unsigned status) {
    return {.status = status,
            .type = "text/html; charset=utf-8",
            .body = std::move(text),
            .fields = {{"Content-Security-Policy",
                        "default-src 'none'; style-src 'sha256-" + hash_of(style) +
                            "'; img-src data:; base-uri 'none'; form-action 'self'; "
                            "frame-ancestors 'none'"},
                       {"X-Content-Type-Options", "nosniff"},
                       {"X-Frame-Options", "DENY"},
                       {"Referrer-Policy", "same-origin"},
                       {"Cross-Origin-Opener-Policy", "same-origin"},
                       {"Cross-Origin-Resource-Policy", "same-origin"}}};
}

Html menu(Place place) {
    struct Entry {
        Place place;
        const char *path, *name;
    };
    Html html;
    for (const Entry& entry :
         {Entry{Place::kFleet, "/", "Fleet"}, Entry{Place::kHosts, "/hosts", "Hosts"},
          Entry{Place::kKeys, "/keys", "Keys"},
          Entry{Place::kEnrolments, "/enrolments", "Enrolments"},
          Entry{Place::kReferences, "/references", "References"}})
        html.add(R"(<li><a href="{}"{}>{}</a></li>)", entry.path,
                 entry.place == place ? Html::of(R"( aria-current="page")") : Html(), entry.name);
    return html;
}

Html leave(const Visitor& visitor) {
    Html html;
    html.add(R"(<div class="visitor"><span>{}{}</span>)", report::name(visitor.who),
             visitor.may_change() ? Html() : Html::of(" (reads only)"));
    if (!visitor.by_certificate)
        html.add(
            R"(<form method="post" action="/logout"><input type="hidden" name="form" value="{}"><button class="plain">Log out</button></form>)",
            visitor.form_token);
    html.add("</div>");
    return html;
}

}  // namespace

verifier::Response respond(const Page& page, const Visitor& visitor) {
    Html style;
    style.add("{}{}", report::style_sheet(), style_sheet());
    const bool known = visitor.role != verifier::Role::kNobody;
    Html nav, html;
    if (known)
        nav.add(R"(<nav aria-label="Pages"><ul>{}</ul></nav>{})", menu(page.place), leave(visitor));
    html.add(
        R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{} – Keyscribe</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='7' fill='%230b5394'/%3E%3C/svg%3E">
<style>{}</style>
</head>
<body>
<header class="top"><strong>KEYSCRIBE</strong>{}</header>
<main>
{}</main>
<footer><p>keyscribe-verifier {}, {}</p></footer>
</body>
</html>
)",
        page.title, style, nav, page.main, KEYSCRIBE_VERSION, report::utc(verifier::now()));
    return document(html.text(), style.text(), page.status);
}

verifier::Response respond_whole(std::string text, std::string_view style) {
    return document(std::move(text), style, 200);
}

verifier::Response redirect(const std::string& to) {
    return {.status = 303, .type = "", .fields = {{"Location", to}}};
}

Page error_page(unsigned status, std::string title, std::string_view detail) {
    Page page{.title = std::move(title), .status = status};
    page.main.add("<h1>{}</h1>\n<p>{}</p>\n", page.title, report::whole_name(detail));
    return page;
}

Page error_page(const Error& error) {
    const verifier::Problem problem = verifier::problem_of(error);
    return error_page(problem.status, problem.status == 503 ? problem.title : "A fault",
                      problem.detail.empty() ? problem.title : problem.detail);
}

}  // namespace keyscribe::web
