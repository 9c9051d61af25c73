// SPDX-License-Identifier: Apache-2.0
// Every finding, the heaviest first.
#include "controller/service/report/sections.h"
#include "controller/service/report/words.h"

namespace keyscribe::report {
namespace {

using appraise::Finding;
using appraise::Weight;

Html place(const Context& context, const Finding& finding) {
    Html html;
    if (!finding.entry) return html;
    if (finding.list == "keyscribe" && context.story != nullptr &&
        *finding.entry < context.input.appraisal.entries)
        html.add(R"( <a href="#entry-{}">entry {}</a>)", *finding.entry, grouped(*finding.entry));
    else if (finding.list == "ima")
        html.add(R"( <span class="place">entry {} of the kernel’s list</span>)",
                 grouped(*finding.entry));
    else
        html.add(R"( <span class="place">entry {}</span>)", grouped(*finding.entry));
    return html;
}

void group(Html& html, const Context& context, Weight weight, Html::Literal title,
           Html::Literal style) {
    const auto& findings = context.input.appraisal.findings;
    Html items;
    std::size_t number = 0;
    for (std::size_t i = 0; i < findings.size(); ++i) {
        if (findings[i].weight != weight) continue;
        ++number;
        items.add(R"(<li id="finding-{}"><code class="code">{}</code> <span>{}</span>{}</li>
)",
                  i, findings[i].code, whole_name(findings[i].sentence),
                  place(context, findings[i]));
    }
    if (number == 0) return;
    html.add(R"(<h3>{} <span class="number">{}</span></h3>
<ul class="findings {}">
{}</ul>
)",
             title.text, number, style.text, items);
}

}  // namespace

Html findings_section(const Context& context) {
    Html groups;
    group(groups, context, Weight::kUnusable, "Why the evidence is unusable", "unusable");
    group(groups, context, Weight::kContraindicates, "Against this host", "contraindicates");
    group(groups, context, Weight::kNote, "Notes", "notes");
    Html html;
    html.add(R"(<section id="findings" aria-labelledby="findings-title">
<h2 id="findings-title">Findings</h2>
{})",
             groups);
    if (groups.empty()) html.add("<p>There is nothing to tell.</p>\n");
    html.add("</section>\n");
    return html;
}

}  // namespace keyscribe::report
