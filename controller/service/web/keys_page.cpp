// SPDX-License-Identifier: Apache-2.0
// Keys: a search, and without one those that are new.
#include "controller/service/report/words.h"
#include "controller/service/verifier/seen_keys.h"
#include "controller/service/web/pages.h"
#include "controller/service/web/queries.h"
#include "controller/service/web/words.h"

namespace keyscribe::web {
namespace {

using nlohmann::json;

constexpr std::int64_t kNew = 7 * 86400;
constexpr std::size_t kNewKeys = 100;

Html keys_table(const json& keys) {
    Html rows, html;
    std::size_t shown = 0;
    for (const json& key : keys) {
        if (++shown > kNewKeys) break;
        const std::int64_t hosts = key.value("hosts", INT64_C(0));
        rows.add(
            R"(<tr><th scope="row">{}</th><td data-name="first seen">{}</td><td data-name="signed by">{}</td><td data-name="">{}</td><td data-name=""><code class="digest">{}</code></td></tr>
)",
            key_link(text_of(key, "fingerprint"), text_of(key, "subject")),
            time_of(key, "first_seen"), report::name(text_of(key, "issuer")),
            hosts == 0 ? "no host any more"
                       : report::count(static_cast<std::uint64_t>(hosts), "host"),
            text_of(key, "fingerprint"));
    }
    html.add(
        R"(<table class="list"><thead><tr><th scope="col">Key</th><th scope="col">First seen</th><th scope="col">Signed by</th><th scope="col">Trusted by</th><th scope="col">SHA-256</th></tr></thead>
<tbody>
{}</tbody></table>
)",
        rows);
    return html;
}

}  // namespace

Result<Page> keys_page(Service& service, const Request& request) {
    const std::string& text = request.parameter("q");
    const auto keys = text.empty() ? verifier::new_keys(*service.database, verifier::now() - kNew)
                                   : search_keys(*service.database, text);
    if (!keys) return std::unexpected(keys.error());
    Page page{.title = "Keys", .place = Place::kKeys};
    page.main.add(
        R"(<h1>Keys</h1>
<form class="filter" method="get" action="/keys" role="search">
<label>Fingerprint (SHA-256), or a part of the subject <input type="search" name="q" value="{}" maxlength="300"></label><button>Find</button></form>
<h2>{}</h2>
)",
        text, text.empty() ? Html::of("First seen in the last seven days") : Html::of("Found"));
    if (keys->empty())
        page.main.add("<p class=\"empty\">No host has, or had, such a key.</p>\n");
    else
        page.main.add("{}", keys_table(*keys));
    if (keys->size() >= kNewKeys)
        page.main.add(
            "<p class=\"more\">There are more. Look for a longer part of the subject.</p>\n");
    return page;
}

}  // namespace keyscribe::web
