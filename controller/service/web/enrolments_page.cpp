// SPDX-License-Identifier: Apache-2.0
// The queue of enrolments, with a yes and a no for operators.
#include "controller/service/report/words.h"
#include "controller/service/web/pages.h"
#include "controller/service/web/words.h"

namespace keyscribe::web {
namespace {

using nlohmann::json;

constexpr std::size_t kEnrolments = 100;

Html decision(const std::string& id, const Visitor& visitor) {
    Html html;
    html.add(
        R"(<form class="decision" method="post" action="/enrolments/{}"><input type="hidden" name="form" value="{}">
<label>Reason, for the record and the host <input type="text" name="reason" maxlength="500"></label>
<button name="accept" value="yes">Accept</button><button class="no" name="accept" value="no">Refuse</button></form>
)",
        url_part(id), visitor.form_token);
    return html;
}

Html card(const json& enrolment, const Visitor& visitor) {
    Html html;
    const std::string trust = text_of(enrolment, "ek_trust");
    html.add(
        R"(<section class="card" aria-labelledby="e-{0}"><h2 id="e-{0}">{1}</h2><dl>{2}{3}{4}{5}{6}</dl>{7}</section>
)",
        text_of(enrolment, "id"), report::name(text_of(enrolment, "name")),
        fact("Asked", time_of(enrolment, "created")),
        fact("Group, of its token", report::name(text_of(enrolment, "group"))),
        fact("Endorsement key: compare it with what you know of the machine",
             report::long_digest(text_of(enrolment, "ek"))),
        fact("Attestation key, proven to be in the same TPM",
             report::long_digest(text_of(enrolment, "attestation_key"))),
        fact("Vouched for by", trust.empty() ? Html::of("<em>nobody</em>") : report::name(trust)),
        visitor.may_change() ? decision(text_of(enrolment, "id"), visitor) : Html());
    return html;
}

}  // namespace

Result<Page> enrolments_page(Service& service, const Visitor& visitor) {
    const auto waiting = service.enrolments->list("waiting");
    if (!waiting) return fail(waiting.error().detail, "store");
    Page page{.title = "Enrolments", .place = Place::kEnrolments};
    page.main.add(R"(<h1>Enrolments <span class="number">{} waiting</span></h1>
)",
                  waiting->size());
    if (waiting->empty())
        page.main.add("<p class=\"empty\">No host waits for an operator.</p>\n");
    else
        page.main.add(
            "<p>Each has shown that its attestation key is in the TPM of its endorsement key. "
            "Whose "
            "TPM that is, you must know: a name is only what the host says.</p>\n<div "
            "class=\"cards\">\n");
    std::size_t shown = 0;
    for (const json& enrolment : *waiting)
        if (++shown <= kEnrolments) page.main.add("{}", card(enrolment, visitor));
    if (!waiting->empty()) page.main.add("</div>\n");
    if (waiting->size() > kEnrolments)
        page.main.add("<p class=\"more\">The oldest {} are shown.</p>\n", kEnrolments);
    return page;
}

}  // namespace keyscribe::web
