// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/ima_check.h"

#include <algorithm>

#include "controller/service/appraise/codes.h"
#include "controller/service/appraise/quote_check.h"

namespace keyscribe::appraise {
namespace {

constexpr unsigned kImaPcr = 10;

}  // namespace

std::size_t count_kernels(const evidence::Evidence& evidence) {
    if (!evidence.ima) return 0;
    list::ListReader reader(evidence.ima->data, evidence.ima->algorithm);
    std::size_t count = 0;
    for (auto entry = reader.next(); entry && *entry; entry = reader.next()) {
        const auto fields = list::decode_fields((*entry)->template_name, (*entry)->template_data);
        count += fields && is_aggregate(*fields);
    }
    return count;
}

void ImaCheck::run(Appraisal& result, bool after_kexec) {
    if (!evidence_.ima || evidence_.ima->entries == 0) {
        const char* why = evidence_.ima ? "the kernel's list in the evidence is empty"
                                        : "the evidence has no list of the kernel's";
        if (basis_.policy.ima.required || basis_.policy.ima.require_signatures)
            content_.add(codes::kImaMissing, why);
        else if (!basis_.blocked_files.empty())
            content_.add(codes::kImaMissing,
                         std::string(why) + ", so that no file was compared with the blocked");
    }
    if (!evidence_.ima) return;
    PcrBanks quoted;
    for (const evidence::Quote& quote : evidence_.quotes)
        if (quoted.empty()) quoted = values_of(quote, kImaPcr);
    if (quoted.empty()) {
        findings_.add(codes::kImaNotQuoted, "the kernel's list is there, and no quote over PCR 10");
        return;
    }
    if (!has_required_banks(quoted, kImaPcr, basis_.policy, findings_)) return;
    // The banks that the policy wants say where the quote ends; the others must agree there.
    PcrBanks wanted;
    for (const auto& one : quoted)
        if (std::ranges::find(basis_.policy.evidence.banks, one.first) !=
            basis_.policy.evidence.banks.end())
            wanted.push_back(one);
    const ListPass pass{.list = evidence_.ima->data,
                        .stored = evidence_.ima->algorithm,
                        .pcr = kImaPcr,
                        .start = zeros(quoted),
                        .quoted = wanted,
                        .threads = threads_};
    if (after_kexec && !replays(pass)) return tell_former_missing();
    ImaJudge judge(basis_.policy, keys_, basis_.blocked_files, pass, content_);
    const OtherPcrs others(evidence_, basis_.policy.evidence.banks,
                           {.pcr = kImaPcr, .stored = pass.stored, .first = evidence_.ima->data});
    const PassResult done = appraise::run(
        pass, [&](const HashedEntry& entry, PcrBanks&) { visit(entry, others, judge); });
    const std::uint64_t covered_beyond = done.reached ? visit_beyond(pass, done, others, judge) : 0;
    result.ima_entries = done.entries;
    result.ima_signatures = judge.verified();
    if (done.malformed)
        findings_.add(codes::kImaMalformed, to_string(*done.malformed),
                      in_ima(done.malformed_entry));
    else if (!done.reached || !agrees_padded(pass, done, quoted))
        findings_.add(codes::kImaReplay,
                      "the kernel's list does not give the quoted PCR 10: it gives " +
                          text_of(done.values) + ", quoted is " + text_of(quoted));
    else if (done.entries + done.beyond != evidence_.ima->entries)
        findings_.add(codes::kImaCount, "the kernel's list has " +
                                            std::to_string(done.entries + done.beyond) +
                                            " entries, and the evidence says " +
                                            std::to_string(evidence_.ima->entries));
    else if (done.beyond != covered_beyond)
        findings_.add(codes::kImaLag,
                      std::to_string(done.beyond - covered_beyond) +
                          " entries at the end of the kernel's list are "
                          "not covered by the quote",
                      in_ima(done.entries));
    if (done.reached) covered_ = done.bytes;
    if (done.reached && done.entries == 0)
        content_.add(codes::kImaStart, "no entry of the kernel's list is covered by the quote");
}

bool ImaCheck::replays(const ListPass& pass) {
    return appraise::run(pass, [](const HashedEntry&, PcrBanks&) {}).reached;
}

void ImaCheck::tell_former_missing() {
    const bool wanted = basis_.policy.ima.required || basis_.policy.ima.require_signatures ||
                        !basis_.blocked_files.empty();
    content_.add(codes::kImaMissing, !wanted,
                 "the kernel's list began anew after a kexec, and the one before it is not there: "
                 "it does not give the quoted PCR 10, and nothing in it was judged");
}

/// Banks of whose digest the kernel has no implementation while it boots.
bool ImaCheck::agrees_padded(ListPass pass, const PassResult& done, const PcrBanks& quoted) {
    pass.start.clear();
    pass.quoted.clear();
    for (std::size_t i = 0; i < quoted.size(); ++i)
        if (done.values[i] != quoted[i]) pass.quoted.push_back(quoted[i]);
    if (pass.quoted.empty()) return true;
    pass.start = zeros(pass.quoted);
    pass.list = pass.list.first(done.bytes);
    pass.padded_sha1 = true;
    const PassResult padded = appraise::run(pass, [](const HashedEntry&, PcrBanks&) {});
    if (!padded.reached || padded.entries != done.entries) return false;
    for (const auto& [bank, value] : pass.quoted)
        findings_.add(codes::kImaPadded, "the kernel extends PCR 10's bank " +
                                             std::string(name_of(bank)) +
                                             " with no more than SHA-1");
    return true;
}

/// What stands in other PCRs behind the last entry that the quote of PCR 10 covers. Returns how
/// many of these entries are no lag: a quote covers them, or none is over their PCR at all.
std::uint64_t ImaCheck::visit_beyond(const ListPass& pass, const PassResult& done,
                                     const OtherPcrs& others, ImaJudge& judge) {
    std::uint64_t told = 0;
    list::ListReader reader(pass.list.subspan(done.bytes), pass.stored);
    for (std::uint64_t number = done.entries;; ++number) {
        const auto entry = reader.next();
        if (!entry || !*entry) return told;
        const unsigned pcr = (*entry)->pcr;
        if (pcr == kImaPcr || (others.replays(pcr) && !others.covers(pcr, number))) continue;
        if (others.covers(pcr, number))
            visit(hashed_alone(pass, **entry, number), others, judge);
        else
            tell_other_pcr(pcr, number);
        ++told;
    }
}

/// Wherever the entry stands: behind the last of PCR 10, too, nothing shows that it came late.
void ImaCheck::tell_other_pcr(unsigned pcr, std::uint64_t number) {
    content_.add(codes::kImaPcr, basis_.policy.ima.allow_other_pcrs,
                 "an entry of PCR " + std::to_string(pcr) +
                     ", which no quote covers, and which was not judged",
                 in_ima(number));
}

void ImaCheck::visit(const HashedEntry& hashed, const OtherPcrs& others, ImaJudge& judge) {
    const Place place = in_ima(hashed.number);
    const unsigned pcr = hashed.entry.pcr;
    if (pcr != kImaPcr && !others.covers(pcr, hashed.number)) {
        if (!others.replays(pcr)) return tell_other_pcr(pcr, hashed.number);
        content_.add(codes::kImaLag,
                     "an entry of PCR " + std::to_string(pcr) +
                         ", which its quote does not cover, and which was not judged",
                     place);
        return;
    }
    if (!hashed.violation && !hashed.stored_digest_right)
        findings_.add(codes::kImaTemplateDigest,
                      "the template digest is not that of the entry's content", place);
    if (!hashed.violation && hashed.payload == PayloadCheck::kWrong && hashed.fields->is_buffer()) {
        findings_.add(codes::kImaPayloadDigest, "the digest is not that of the payload", place);
        return;
    }
    const bool begins = !hashed.violation && hashed.fields && is_aggregate(*hashed.fields);
    if (hashed.number == 0 && !begins)
        content_.add(codes::kImaStart, "the kernel's list does not begin with boot_aggregate",
                     place);
    if (begins && hashed.number == 0)
        agrees_ = aggregate_.agrees(hashed.fields->algorithm, hashed.fields->digest);
    else if (begins)
        content_.add(codes::kKexec, basis_.policy.host.allow_kexec,
                     "the kernel's list has another boot_aggregate: another kernel was started by "
                     "kexec, and goes on with the list",
                     place);
    judge.entry(hashed,
                begins && aggregate_.check(hashed.fields->algorithm, hashed.fields->digest, place));
}

}  // namespace keyscribe::appraise
