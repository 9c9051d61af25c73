// SPDX-License-Identifier: Apache-2.0
// The verdict, in a word and two sentences.
#include "controller/service/report/sections.h"
#include "controller/service/report/words.h"

namespace keyscribe::report {
namespace {

using appraise::Verdict;

Html icon(Verdict verdict) {
    switch (verdict) {
        case Verdict::kAffirmed:
            return Html::of(R"(<path d="M13 25l8 8 15-17"/>)");
        case Verdict::kContraindicated:
            return Html::of(R"(<path d="M15 15l18 18M33 15l-18 18"/>)");
        case Verdict::kUnusable:
            break;
    }
    return Html::of(R"(<path d="M18 18a6 6 0 1 1 9 5.2c-2 1.2-3 2.6-3 4.8M24 34v.5"/>)");
}

std::string sentence(const Context& context) {
    const auto& appraisal = context.input.appraisal;
    std::size_t against = 0;
    for (const auto& finding : appraisal.findings)
        against += finding.weight == appraise::Weight::kContraindicates;
    switch (appraisal.verdict) {
        case Verdict::kAffirmed:
            return "The evidence is genuine, and nothing in it speaks against this host.";
        case Verdict::kContraindicated:
            return fmt::format("The evidence is genuine, and {} against this host.",
                               against == 1 ? std::string("one finding speaks")
                                            : count(against, "finding") + " speak");
        case Verdict::kUnusable:
            break;
    }
    return "Nothing can be concluded about this host: the evidence is malformed, forged, or not "
           "what was asked for.";
}

/// The host and the quote, in a line.
Html brief(const Context& context) {
    const auto& appraisal = context.input.appraisal;
    Html html;
    if (context.story == nullptr) return html;
    html.add("<p>Boot <code>{}</code>, ", appraisal.boot_id);
    std::string banks;
    for (const auto& [bank, value] : appraisal.next->state.values)
        banks += (banks.empty() ? "" : ", ") + std::string(name_of(bank));
    html.add("PCR {} ({}), {}, {}.</p>", appraisal.next->state.pcr, banks,
             count(appraisal.entries, "entry"), count(appraisal.keys, "key") + " judged");
    return html;
}

}  // namespace

Html verdict_section(const Context& context) {
    const auto& appraisal = context.input.appraisal;
    Html html;
    html.add(
        R"(<section id="verdict" class="verdict {}" aria-labelledby="verdict-word">
<div class="banner"><svg class="icon" viewBox="0 0 48 48" width="48" height="48" aria-hidden="true"><circle cx="24" cy="24" r="22"/>{}</svg>
<div><h1 id="verdict-word">{}</h1><p>{}</p>{}<p class="source">{}</p></div></div>
</section>
)",
        name_of(appraisal.verdict), icon(appraisal.verdict),
        appraisal.verdict == Verdict::kAffirmed          ? "Affirmed"
        : appraisal.verdict == Verdict::kContraindicated ? "Contraindicated"
                                                         : "Unusable",
        sentence(context), brief(context), name(context.input.source));
    return html;
}

}  // namespace keyscribe::report
