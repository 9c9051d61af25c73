// SPDX-License-Identifier: Apache-2.0
// What hosts are judged by: reference values, policies, blocked keys and files.
#include "controller/service/report/words.h"
#include "controller/service/web/pages.h"
#include "controller/service/web/words.h"

namespace keyscribe::web {
namespace {

using verifier::ReferenceFile;

constexpr std::size_t kFiles = 1000;

Html state_of(const ReferenceFile& file, std::int64_t time) {
    if (file.from > time) return Html::of(R"(<span class="badge">not yet</span>)");
    if (file.until <= time) return Html::of(R"(<span class="badge warn">ended</span>)");
    return Html::of(R"(<span class="badge good">in force</span>)");
}

Html end_of(std::int64_t time) {
    Html html;
    if (time >= INT64_C(9999999999))
        html.add("<em>open</em>");
    else
        html.add("{}", report::utc(time));
    return html;
}

Html row(const ReferenceFile& file, std::int64_t time) {
    Html keyring, html;
    if (!file.keyring.empty()) keyring.add(" for <code>{}</code>", file.keyring);
    html.add(
        R"(<tr><th scope="row">{}</th><td data-name="">{}{}, {} bytes</td><td data-name="">{}</td><td data-name="">{} to {}</td><td data-name="added">{} by {}: {}</td></tr>
)",
        report::name(file.name), file.kind, keyring, report::grouped(file.content.size()),
        state_of(file, time), file.from == 0 ? Html::of("<em>ever</em>") : end_of(file.from),
        end_of(file.until), report::day(file.added), report::name(file.who),
        report::name(file.why));
    return html;
}

}  // namespace

Result<Page> references_page(Service& service, const Request& request) {
    const auto files = service.references->files(request.parameter("group"));
    if (!files) return std::unexpected(files.error());
    const std::int64_t time = verifier::now();
    std::map<std::string, std::pair<std::size_t, Html>> groups;
    std::size_t shown = 0;
    for (const ReferenceFile& file : *files) {
        auto& [count, rows] = groups[file.group];
        ++count;
        if (++shown <= kFiles) rows.add("{}", row(file, time));
    }
    Page page{.title = "References", .place = Place::kReferences};
    page.main.add("<h1>What hosts are judged by</h1>\n");
    if (groups.empty())
        page.main.add(
            R"(<p class="empty">Nothing yet: every key is unknown. <code>keyscribe-verifier references add --group default --why TEXT FILE…</code></p>
)");
    for (const auto& [group, part] : groups)
        page.main.add(
            R"(<section aria-label="{}"><h2>Group {} <span class="number">{}</span></h2>
<table class="list"><thead><tr><th scope="col">File</th><th scope="col">What</th><th scope="col">State</th><th scope="col">In force</th><th scope="col">Added</th></tr></thead>
<tbody>
{}</tbody></table></section>
)",
            group, report::name(group), report::count(part.first, "file"), part.second);
    if (shown > kFiles)
        page.main.add(R"(<p class="more">The first {} files are shown.</p>
)",
                      report::grouped(kFiles));
    page.main.add(
        R"(<p class="note"><code>keyscribe-verifier references try</code> says which hosts would change their verdict, before <code>add</code> or <code>remove</code> does it.</p>
)");
    return page;
}

}  // namespace keyscribe::web
