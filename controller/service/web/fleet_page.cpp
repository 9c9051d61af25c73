// SPDX-License-Identifier: Apache-2.0
// The fleet at a glance: how many hosts are how, and what changed last.
#include "controller/service/report/words.h"
#include "controller/service/verifier/operator_queries.h"
#include "controller/service/web/pages.h"
#include "controller/service/web/queries.h"
#include "controller/service/web/words.h"

namespace keyscribe::web {
namespace {

using nlohmann::json;

constexpr int kLatest = 20;

std::int64_t number(const json& counts, const char* name) {
    return counts.contains(name) && counts[name].is_number() ? counts[name].get<std::int64_t>() : 0;
}

struct Kind {
    const char *name, *title, *colour;
};
constexpr Kind kKinds[] = {{"affirmed", "affirmed", "good"},
                           {"contraindicated", "contraindicated", "bad"},
                           {"silent", "silent", "warn"},
                           {"none", "not judged", "none"}};

/// An SVG, since the page's policy allows no width in a style attribute.
Html bar(const json& counts, std::int64_t all) {
    Html parts, html;
    std::int64_t before = 0;
    for (const Kind& kind : kKinds) {
        const std::int64_t count = number(counts, kind.name);
        if (count == 0) continue;
        parts.add(R"(<rect class="{}" x="{}" y="0" width="{}" height="10"/>)", kind.colour,
                  before * 10000 / all, (before + count) * 10000 / all - before * 10000 / all);
        before += count;
    }
    html.add(
        R"(<div class="bar" aria-hidden="true"><svg viewBox="0 0 10000 10" preserveAspectRatio="none">{}</svg></div>
)",
        parts);
    return html;
}

Html tile(const Kind& kind, std::int64_t count) {
    Html html;
    html.add(R"(<li><a class="{}" href="/hosts?verdict={}"><b>{}</b>{}</a></li>
)",
             count == 0 ? "" : kind.colour, kind.name,
             report::grouped(static_cast<std::uint64_t>(count)), kind.title);
    return html;
}

Html groups_table(const json& groups) {
    Html rows, html;
    for (const json& group : groups) {
        const std::string name = text_of(group, "group");
        rows.add(R"(<tr><th scope="row"><a href="/hosts?group={}">{}</a></th>)", url_part(name),
                 report::name(name));
        for (const Kind& kind : kKinds)
            rows.add(R"(<td data-name="{}">{}</td>)", kind.title,
                     report::grouped(static_cast<std::uint64_t>(number(group, kind.name))));
        rows.add("</tr>\n");
    }
    html.add(R"(<section aria-labelledby="groups"><h2 id="groups">Groups</h2>
<table class="list"><thead><tr><th scope="col">Group</th><th scope="col">affirmed</th><th scope="col">contraindicated</th><th scope="col">silent</th><th scope="col">not judged</th></tr></thead>
<tbody>
{}</tbody></table></section>
)",
             rows);
    return html;
}

}  // namespace

Result<Page> fleet_page(Service& service) {
    const auto counts = verifier::count_hosts(*service.database);
    if (!counts) return std::unexpected(counts.error());
    const auto waiting = count_waiting(*service.database);
    if (!waiting) return std::unexpected(waiting.error());
    const auto groups = count_groups(*service.database);
    if (!groups) return std::unexpected(groups.error());
    const auto changes = latest_changes(*service.database, "", 0, kLatest);
    if (!changes) return std::unexpected(changes.error());
    std::int64_t all = 0;
    Html tiles;
    for (const Kind& kind : kKinds) {
        all += number(*counts, kind.name);
        tiles.add("{}", tile(kind, number(*counts, kind.name)));
    }
    tiles.add(R"(<li><a class="{}" href="/enrolments"><b>{}</b>waiting to be enrolled</a></li>
)",
              *waiting == 0 ? "" : "warn", report::grouped(static_cast<std::uint64_t>(*waiting)));
    Page page{.title = "Fleet", .place = Place::kFleet};
    page.main.add("<h1>{}</h1>\n<ul class=\"tiles\">\n{}</ul>\n",
                  report::count(static_cast<std::uint64_t>(all), "host"), tiles);
    if (all == 0)
        page.main.add(
            R"(<p class="empty">No host is enrolled. On a host: <code>keyscribe enrol https://THIS:PORT --token T</code>, with a token by <code>keyscribe-verifier tokens create --role enrol</code>.</p>
)");
    else
        page.main.add("{}{}", bar(*counts, all), groups_table(*groups));
    page.main.add(
        R"(<section aria-labelledby="latest"><h2 id="latest">What changed last</h2>
{}</section>
)",
        change_list((*changes)["changes"], true));
    return page;
}

}  // namespace keyscribe::web
