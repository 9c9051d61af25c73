// SPDX-License-Identifier: Apache-2.0
// What the verdict rests on: host, quote, and what they were compared with.
#include "controller/service/report/sections.h"
#include "controller/service/report/words.h"

namespace keyscribe::report {
namespace {

void fact(Html& html, Html::Literal what, const Html& value) {
    html.add("<div><dt>{}</dt><dd>{}</dd></div>\n", what.text, value);
}
void fact(Html& html, Html::Literal what, std::string_view value) {
    if (!value.empty()) fact(html, what, whole_name(value));
}

Html card(Html::Literal title, Html::Literal note, const Html& facts) {
    Html html;
    if (facts.empty()) return html;
    html.add(R"(<div class="card"><h3>{}</h3><p class="note">{}</p><dl>
{}</dl></div>
)",
             title.text, note.text, facts);
    return html;
}

Html host_facts(const Context& context) {
    Html facts;
    const auto& appraisal = context.input.appraisal;
    const Speaker* speaker = context.story && !context.story->speakers().empty()
                                 ? &context.story->speakers().back()
                                 : nullptr;
    fact(facts, "Boot", appraisal.boot_id);
    fact(facts, "Kernel", speaker ? speaker->kernel : appraisal.kernel);
    if (speaker == nullptr) {
        fact(facts, "Software", appraisal.software);
        return facts;
    }
    fact(facts, "Daemon", speaker->version);
    fact(facts, "Daemon’s SHA-256", long_digest(speaker->controller));
    fact(facts, "BPF object’s SHA-256", long_digest(speaker->bpf));
    fact(facts, "Host’s policy, SHA-256",
         appraisal.policy_digest.empty() ? whole_name("none in force")
                                         : long_digest(appraisal.policy_digest));
    if (const std::size_t more = context.story->speakers().size() - 1; more != 0)
        fact(facts, "Restarts", grouped(more));
    return facts;
}

Html quote_facts(const Context& context) {
    Html facts;
    const auto& appraisal = context.input.appraisal;
    if (appraisal.claims) {
        const appraise::QuoteClaims& claims = *appraisal.claims;
        fact(facts, "TPM clock",
             duration(claims.clock) + " powered" + (claims.clock_is_safe ? "" : ", not safe"));
        fact(facts, "Resets, restarts",
             grouped(claims.reset_count) + ", " + grouped(claims.restart_count));
        fact(facts, "TPM firmware", fmt::format("{:#x}", claims.firmware));
        if (!claims.signer.empty()) fact(facts, "Signing key’s name", long_digest(claims.signer));
    }
    fact(facts, "Nonce", long_digest(context.input.request.nonce));
    if (appraisal.next)
        for (const auto& [bank, value] : appraisal.next->state.values) {
            Html banks;
            banks.add(R"(<span class="bank">{}</span> {})", name_of(bank), long_digest(value));
            facts.add("<div><dt>PCR {}</dt><dd>{}</dd></div>\n", appraisal.next->state.pcr, banks);
        }
    return facts;
}

Html content_facts(const Context& context) {
    Html facts;
    const auto& appraisal = context.input.appraisal;
    const auto& basis = context.input.basis;
    if (context.story != nullptr) {
        fact(facts, "Covered by the quote", count(appraisal.entries, "entry"));
        if (appraisal.entries_beyond != 0)
            fact(facts, "Beyond it, not judged", count(appraisal.entries_beyond, "entry"));
        fact(facts, "Keys judged", grouped(appraisal.keys));
        fact(facts, "Kernel’s IMA list",
             appraisal.ima_entries == 0
                 ? "not in the evidence"
                 : fmt::format("{}, {} verified", count(appraisal.ima_entries, "entry"),
                               count(appraisal.ima_signatures, "file signature")));
    }
    fact(facts, "Reference values", count(basis.references.all().size(), "certificate"));
    fact(facts, "Appraised", utc(context.input.request.now));
    if (context.input.evidence != nullptr && context.story != nullptr &&
        context.input.evidence->time != 0)
        if (const auto time = context.input.evidence->time; time < 100'000'000'000)
            fact(facts, "Evidence, by the host’s clock", utc(static_cast<std::int64_t>(time)));
    return facts;
}

}  // namespace

Html checked_section(const Context& context) {
    const auto& appraisal = context.input.appraisal;
    const bool proven = context.story != nullptr;
    Html html;
    html.add(R"(<section id="checked" aria-labelledby="checked-title">
<h2 id="checked-title">What was checked</h2>
<div class="cards">
{}{}{}</div>
</section>
)",
             card("Host",
                  proven ? Html::Literal("As the quoted list says it.")
                         : Html::Literal("As the file says it. Nothing vouches for that."),
                  host_facts(context)),
             card("Quote",
                  appraisal.claims ? Html::Literal("Signed by the attestation key, over the nonce.")
                                   : Html::Literal("No quote that holds."),
                  quote_facts(context)),
             card("Appraisal",
                  proven ? Html::Literal("Every digest was computed anew.")
                         : Html::Literal("It ended before anything was judged."),
                  content_facts(context)));
    return html;
}

}  // namespace keyscribe::report
