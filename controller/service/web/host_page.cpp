// SPDX-License-Identifier: Apache-2.0
// A host: its verdict and why, the keys that it trusts, its history.
#include "controller/service/report/words.h"
#include "controller/service/verifier/operator_queries.h"
#include "controller/service/web/pages.h"
#include "controller/service/web/queries.h"
#include "controller/service/web/words.h"

namespace keyscribe::web {
namespace {

using nlohmann::json;

constexpr int kChangesOnAPage = 50;
constexpr std::size_t kFindings = 200, kKeys = 1000;

Html icon(const std::string& verdict) {
    if (verdict == "affirmed") return Html::of(R"(<path d="M13 25l8 8 15-17"/>)");
    if (verdict == "contraindicated") return Html::of(R"(<path d="M15 15l18 18M33 15l-18 18"/>)");
    return Html::of(R"(<path d="M18 18a6 6 0 1 1 9 5.2c-2 1.2-3 2.6-3 4.8M24 34v.5"/>)");
}

Html banner(const json& host) {
    const bool silent = host.value("silent", false);
    const std::string verdict = text_of(host, "verdict");
    Html sentence, html;
    if (silent)
        sentence.add("<p>It was to be heard of by {}. Before, it was: {}.</p>",
                     time_of(host, "deadline"), verdict_title(verdict));
    else
        sentence.add("<p>Since {}.</p>", time_of(host, "since"));
    html.add(
        R"(<section class="verdict {}" aria-labelledby="host">
<div class="banner"><svg class="icon" viewBox="0 0 48 48" width="48" height="48" aria-hidden="true"><circle cx="24" cy="24" r="22"/>{}</svg>
<div><h1 id="host">{}</h1><p><strong>{}</strong></p>{}</div></div>
</section>
)",
        silent ? "silent" : verdict, icon(silent ? "silent" : verdict),
        report::name(text_of(host, "name")), silent ? "Silent" : verdict_title(verdict), sentence);
    return html;
}

Html coded(const std::string& text) {
    return text.empty() ? Html::of("<em>none</em>") : report::long_digest(text);
}

Html counted(const json& object, const char* member) {
    Html html;
    html.add("{}", report::grouped(object.contains(member) && object[member].is_number_unsigned()
                                       ? object[member].get<std::uint64_t>()
                                       : 0));
    return html;
}

Html cards(const json& host) {
    const json appraisal = host.value("appraisal", json::object());
    Html visits, machine, html;
    visits.add("{}{}{}{}{}{}", fact("Last seen", time_of(host, "last_seen")),
               fact("Silent after", time_of(host, "deadline")),
               fact("Evidence with something new", time_of(host, "judged")),
               fact("Entries of the list", counted(host, "entries")),
               fact("Entries of the kernel’s list", counted(host, "ima_entries")),
               fact("Evidence that was refused", counted(host, "refused")));
    machine.add("{}{}{}{}{}{}", fact("Kernel", report::name(text_of(appraisal, "kernel"))),
                fact("Boot", coded(text_of(host, "boot_id"))),
                fact("Enrolled", time_of(host, "enrolled")),
                fact("Vouched for by", report::name(text_of(host, "accepted_by"))),
                fact("Endorsement key", coded(text_of(host, "id"))),
                fact("Attestation key", coded(text_of(host, "attestation_key"))));
    html.add(
        R"(<div class="cards"><section class="card" aria-labelledby="visits"><h2 id="visits">Visits</h2><dl>{}</dl></section>
<section class="card" aria-labelledby="machine"><h2 id="machine">Machine</h2><dl>{}</dl></section></div>
)",
        visits, machine);
    return html;
}

Html findings(const json& host) {
    const json appraisal = host.value("appraisal", json::object());
    Html html;
    html.add(R"(<section id="findings" aria-labelledby="findings-title">
<h2 id="findings-title">Findings</h2>
)");
    const json all = appraisal.is_object() ? appraisal.value("findings", json::array()) : json();
    for (const auto& [weight, title] :
         {std::pair{"unusable", "Why there is no verdict"},
          std::pair{"contraindicates", "Against this host"}, std::pair{"note", "Notes"}}) {
        Html items;
        std::size_t count = 0;
        for (const json& finding : all) {
            if (text_of(finding, "weight") != weight || ++count > kFindings) continue;
            items.add(R"(<li><code class="code">{}</code> <span>{}</span></li>
)",
                      text_of(finding, "code"), report::whole_name(text_of(finding, "sentence")));
        }
        if (count > kFindings)
            items.add(R"(<li class="more">{} more are in the report.</li>
)",
                      report::grouped(count - kFindings));
        if (count != 0)
            html.add(R"(<h3>{} <span class="number">{}</span></h3>
<ul class="findings {}">
{}</ul>
)",
                     title, count, weight, items);
    }
    if (all.empty()) html.add("<p>There is nothing to tell.</p>\n");
    html.add("</section>\n");
    return html;
}

Html issuer_of(const json& key) {
    const std::string issuer = text_of(key, "issuer");
    return issuer.empty() ? Html::of("<em>not shown</em>") : report::name(issuer);
}

Html keys(const json& host) {
    Html rows, html;
    const json all = host.value("keys", json::array());
    std::size_t shown = 0;
    for (const json& key : all) {
        if (++shown > kKeys) break;
        rows.add(
            R"(<tr><th scope="row">{}</th><td data-name="in"><code>{}</code></td><td data-name="signed by">{}</td><td data-name="since">{}</td></tr>
)",
            key_link(text_of(key, "fingerprint"), text_of(key, "subject")), text_of(key, "keyring"),
            issuer_of(key), time_of(key, "since"));
    }
    html.add(
        R"(<section aria-labelledby="keys"><h2 id="keys">Keys <span class="number">{}</span></h2>
)",
        all.size());
    if (rows.empty())
        html.add("<p class=\"empty\">It trusts no key that is judged.</p>\n");
    else
        html.add(
            R"(<table class="list"><thead><tr><th scope="col">Key</th><th scope="col">Keyring</th><th scope="col">Signed by</th><th scope="col">Since</th></tr></thead>
<tbody>
{}</tbody></table>
)",
            rows);
    if (all.size() > kKeys)
        html.add(R"(<p class="more">The report has all of them.</p>
)");
    html.add("</section>\n");
    return html;
}

}  // namespace

Result<Page> host_page(Service& service, const Request& request) {
    const auto host = verifier::show_host(*service.database, request.parts[0]);
    if (!host) return std::unexpected(host.error());
    if (host->is_null())
        return error_page(404, "There is no such host", "It may have been removed.");
    const std::string id = text_of(*host, "id");
    const auto changes =
        latest_changes(*service.database, id, number_of(request, "before", 0), kChangesOnAPage);
    if (!changes) return std::unexpected(changes.error());
    Page page{.title = text_of(*host, "name"), .place = Place::kHosts};
    page.main.add("{}", banner(*host));
    if (host->contains("appraisal"))
        page.main.add(
            R"(<p class="pages"><a href="/hosts/{}/report">The report: keyrings, timeline, who signed whom</a></p>
)",
            url_part(id));
    page.main.add(
        R"({}{}{}<section id="history" aria-labelledby="history-title"><h2 id="history-title">History</h2>
{})",
        cards(*host), findings(*host), keys(*host), change_list((*changes)["changes"], false));
    if (changes->contains("next"))
        page.main.add(
            R"(<p class="pages"><a rel="next" href="/hosts/{}?before={}#history">Earlier</a></p>
)",
            url_part(id), (*changes)["next"].get<std::int64_t>());
    page.main.add("</section>\n");
    return page;
}

}  // namespace keyscribe::web
