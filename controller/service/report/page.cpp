// SPDX-License-Identifier: Apache-2.0
#include "controller/service/report/page.h"

#include "controller/base/base64.h"
#include "controller/service/report/sections.h"
#include "controller/service/report/style.h"
#include "controller/service/report/words.h"

namespace keyscribe::report {
namespace {

Html favicon_colour(appraise::Verdict verdict) {
    switch (verdict) {
        case appraise::Verdict::kAffirmed:
            return Html::of("%2317663b");
        case appraise::Verdict::kContraindicated:
            return Html::of("%23a3161f");
        case appraise::Verdict::kUnusable:
            break;
    }
    return Html::of("%23b07000");
}

/// The style may be only this one, so that not even an attribute could bring another.
Html head(const Input& input, const Html& style) {
    const std::string style_digest = to_base64(hash(Algorithm::kSha256, as_bytes(style.text())));
    Html html;
    html.add(
        R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="keyscribe {}">
<title>{}: {} – Keyscribe</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='7' fill='{}'/%3E%3C/svg%3E">
<style>{}</style>
</head>
)",
        style_digest, input.version, beginning(file_name(std::string(input.source)), 120),
        name_of(input.appraisal.verdict), favicon_colour(input.appraisal.verdict), style);
    return html;
}

Html body(const Context& context) {
    const bool told = context.story != nullptr;
    Html links = context.input.links, sections;
    links.add(
        R"(<li><a href="#findings">Findings</a></li><li><a href="#checked">What was checked</a></li>)");
    sections.add("{}{}{}", verdict_section(context), findings_section(context),
                 checked_section(context));
    if (told) {
        links.add(
            R"(<li><a href="#keyrings">Keyrings</a></li><li><a href="#timeline">Timeline</a></li><li><a href="#signers">Who signed whom</a></li>)");
        sections.add("{}{}{}", keyrings_section(context), timeline_section(context),
                     signers_section(context));
    }
    Html html;
    html.add(
        R"(<body>
<header class="top"><strong>KEYSCRIBE</strong><nav aria-label="Sections"><ul>{}</ul></nav></header>
<main>
{}</main>
<footer><p>By <code>keyscribe report</code> {}, {}. This page proves nothing by itself: whoever doubts it appraises the evidence again.</p></footer>
</body>
</html>
)",
        links, sections, context.input.version, utc(context.input.request.now));
    return html;
}

}  // namespace

std::string page(const Input& input) {
    Context context{.input = input};
    const auto& findings = input.appraisal.findings;
    for (std::size_t i = 0; i < findings.size(); ++i)
        if (findings[i].list == "keyscribe" && findings[i].entry)
            context.findings_at[*findings[i].entry].push_back(i);
    std::optional<Story> story;
    SignerGraph signers;
    if (input.appraisal.next) {
        story.emplace(input.appraisal);
        context.story = &*story;
        signers = signer_graph(context.judgement(), input.limits);
        context.signers = &signers;
    }
    Html html = head(input, style_sheet());
    html.add("{}", body(context));
    return html.text();
}

}  // namespace keyscribe::report
