// SPDX-License-Identifier: Apache-2.0
// Hosts, by verdict, silence, group and name.
#include "controller/service/report/words.h"
#include "controller/service/verifier/operator_queries.h"
#include "controller/service/web/pages.h"
#include "controller/service/web/queries.h"
#include "controller/service/web/words.h"

namespace keyscribe::web {
namespace {

using nlohmann::json;

constexpr int kHostsOnAPage = 100;

Html filter_form(const Request& request, const json& groups) {
    std::vector<Choice> names = {{"", "all"}};
    for (const json& group : groups)
        names.push_back({text_of(group, "group"), text_of(group, "group")});
    Html html;
    html.add(R"(<form class="filter" method="get" action="/hosts" role="search">
{}{}{}<button>Show</button></form>
)",
             choices("Verdict", "verdict",
                     {{"", "all"},
                      {"affirmed", "affirmed"},
                      {"contraindicated", "contraindicated"},
                      {"silent", "silent"},
                      {"none", "not judged"}},
                     request.parameter("verdict")),
             choices("Group", "group", names, request.parameter("group")),
             field("Part of the name", "name", request.parameter("name")));
    return html;
}

Html hosts_table(const json& hosts) {
    Html rows, html;
    for (const json& host : hosts)
        rows.add(
            R"(<tr><th scope="row">{}</th><td data-name="">{}</td><td data-name="since">{}</td><td data-name="last seen">{}</td><td data-name="group">{}</td></tr>
)",
            host_link(text_of(host, "id"), text_of(host, "name")),
            verdict_badges(text_of(host, "verdict"), host.value("silent", false)),
            time_of(host, "since"), time_of(host, "last_seen"),
            report::name(text_of(host, "group")));
    html.add(
        R"(<table class="list"><thead><tr><th scope="col">Host</th><th scope="col">Verdict</th><th scope="col">Since</th><th scope="col">Last seen</th><th scope="col">Group</th></tr></thead>
<tbody>
{}</tbody></table>
)",
        rows);
    return html;
}

/// The same question, from that host on.
std::string target(const Request& request, const std::string& after) {
    std::string path = "/hosts?";
    for (const char* name : {"verdict", "group", "name"})
        if (!request.parameter(name).empty())
            path += std::string(name) + '=' + url_part(request.parameter(name)) + '&';
    return after.empty() ? path.substr(0, path.size() - 1) : path + "after=" + url_part(after);
}

}  // namespace

Result<Page> hosts_page(Service& service, const Request& request) {
    const std::string& verdict = request.parameter("verdict");
    const auto found =
        verifier::list_hosts(*service.database, {.verdict = verdict,
                                                 .group = request.parameter("group"),
                                                 .name = request.parameter("name"),
                                                 .after = request.parameter("after"),
                                                 .limit = kHostsOnAPage,
                                                 .heard = !verdict.empty() && verdict != "silent"});
    if (!found) return std::unexpected(found.error());
    const auto groups = count_groups(*service.database);
    if (!groups) return std::unexpected(groups.error());
    Page page{.title = "Hosts", .place = Place::kHosts};
    page.main.add("<h1>Hosts</h1>\n{}", filter_form(request, *groups));
    const json& hosts = (*found)["hosts"];
    if (hosts.empty())
        page.main.add("<p class=\"empty\">There is no such host.</p>\n");
    else
        page.main.add("{}", hosts_table(hosts));
    Html links;
    if (!request.parameter("after").empty())
        links.add(R"(<a href="{}">First page</a>)", target(request, ""));
    if (found->contains("next"))
        links.add(R"(<a rel="next" href="{}">Next page</a>)",
                  target(request, text_of(*found, "next")));
    if (!links.empty())
        page.main.add(R"(<p class="pages">{}</p>
)",
                      links);
    return page;
}

}  // namespace keyscribe::web
