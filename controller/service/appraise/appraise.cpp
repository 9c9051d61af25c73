// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/appraise.h"

#include <algorithm>

#include "controller/list/record.h"
#include "controller/service/appraise/booted_kernel.h"
#include "controller/service/appraise/codes.h"
#include "controller/service/appraise/firmware_check.h"
#include "controller/service/appraise/firmware_variables.h"
#include "controller/service/appraise/ima_check.h"
#include "controller/service/appraise/judge.h"
#include "controller/service/appraise/kept_ima.h"
#include "controller/service/appraise/list_extract.h"
#include "controller/service/appraise/list_pass.h"
#include "controller/service/appraise/list_start.h"
#include "controller/service/appraise/other_pcrs.h"
#include "controller/service/appraise/quote_check.h"
#include "controller/service/appraise/state_check.h"
#include "controller/service/appraise/wholeness.h"

namespace keyscribe::appraise {
namespace {

constexpr std::string_view kFormerlyVerified = "1";

/// One appraisal, step by step. A step that is false leaves nothing for the next one to stand on.
class Appraiser {
  public:
    Appraiser(const evidence::Evidence& evidence, const Request& request, const Basis& basis)
        : evidence_(evidence),
          request_(request),
          basis_(basis),
          quotes_(evidence, request, basis.policy, findings_),
          kept_(evidence, basis.policy, findings_, content_),
          judge_(basis.policy, basis.references, basis.blocked_keys, request.now,
                 request.signatures, content_),
          wholeness_(basis.policy, content_) {
        judge_.set_list({}, evidence.list.data);
    }

    Appraisal run() {
        result_.time = request_.now;
        result_.boot_id = evidence_.boot_id;
        result_.kernel = evidence_.kernel;
        result_.software = evidence_.software;
        if (quotes_.run(result_) && check_state() && check_list()) {
            check_variables(*firmware_, basis_.policy, content_);
            const evidence::Evidence whole =
                with_kept_ima(evidence_, kept_.state(), ima_, findings_);
            const std::size_t kernels = count_kernels(whole);
            const KernelImages& images = basis_.references.kernel_images();
            const BootedKernel kernel =
                booted_kernel(*firmware_, images, is_after_kexec() || kernels > 1);
            if (kernel.image != nullptr) result_.kernel_image = kernel.image->name;
            const FirmwareKeys firmware_keys(*firmware_, basis_.policy, kernel.image, content_);
            judge_.finish(firmware_keys);
            result_.until = judge_.keys().until();
            wholeness_.finish(*result_.claims, quotes_.quoted(), !evidence_.ak.empty());
            const BootAggregate aggregate(evidence_, basis_.policy, *firmware_, content_);
            check_boot(aggregate);
            check_other_pcrs();
            ImaCheck ima(whole, basis_, judge_.keys(), aggregate, request_.threads, findings_,
                         content_);
            ima.run(result_, is_after_kexec());
            tell_kernel(kernel, kernels == 1 && ima.shows_boot(), images.size(), basis_.policy,
                        content_);
            look_at_presences();
            if (evidence_.ek_certificate)
                findings_.add(codes::kEkUnverified,
                              "the endorsement key's certificate was not looked at: it says whose "
                              "TPM it is, and `keyscribe ak check` and an enrolment verify it");
            keep(whole, ima.covered());
        }
        conclude();
        return std::move(result_);
    }

  private:
    /// Where the list begins: from nothing, or from what was kept of this boot.
    bool check_state() {
        judge_.expect_canary(request_.nonce);
        firmware_.emplace(evidence_, basis_.policy, content_);
        const evidence::List& list = evidence_.list;
        pass_ = {.list = list.data,
                 .first_entry = list.from_entry,
                 .pcr = evidence_.pcr,
                 .start = zeros(quotes_.quoted()),
                 .quoted = quotes_.quoted(),
                 .threads = request_.threads};
        if (!kept_.run(request_, result_, quotes_.digest())) return false;
        auto starts = firmware_->starts(evidence_.pcr, quotes_.quoted());
        // The PCR has gone on since, and nothing else explains it.
        if (!kept_.before_kexec().empty()) starts = {kept_.before_kexec()};
        start_.emplace(evidence_.pcr, std::move(starts));
        if (list.from_entry == 0) {
            others_.emplace(evidence_, basis_.policy.evidence.banks,
                            OtherPcrs::List{.pcr = evidence_.pcr, .first = list.data});
            return true;
        }
        if (!kept_.state()) {
            findings_.add(
                codes::kStateMissing,
                "the evidence has only what is new, and nothing is kept of what was before");
            return false;
        }
        if (list.from_entry != kept_.state()->entries || list.offset != kept_.state()->bytes) {
            findings_.add(codes::kStateGap, "the evidence begins at entry " +
                                                std::to_string(list.from_entry) +
                                                ", and what is kept ends before entry " +
                                                std::to_string(kept_.state()->entries));
            return false;
        }
        for (auto& [bank, value] : pass_.start) {
            const auto kept =
                std::ranges::find(kept_.state()->values, bank, &PcrBanks::value_type::first);
            if (kept == kept_.state()->values.end()) {
                findings_.add(codes::kStateGap,
                              "nothing is kept of bank " + std::string(name_of(bank)));
                return false;
            }
            value = kept->second;
        }
        const KeptState& kept = *kept_.state();
        others_.emplace(
            evidence_, basis_.policy.evidence.banks,
            kept.extract
                ? OtherPcrs::List{.pcr = evidence_.pcr, .first = list.data, .before = kept.entries}
                : OtherPcrs::List{.pcr = evidence_.pcr, .first = kept.list, .rest = list.data});
        if (kept.extract) return tell_extract(*kept.extract);
        tell_kept();
        return true;
    }

    /// The same of what a snapshot has of it.
    bool tell_extract(Bytes extract) {
        judge_.set_list(extract, evidence_.list.data);
        kept_bytes_ = extract.size();
        PcrBanks values = zeros(quotes_.quoted());
        ExtractReader reader(extract);
        while (const auto item = reader.next()) {
            const list::LogicalRecord& record = item->record;
            if (!item->whole_entry) {
                judge_.record(record);
                wholeness_.record(record);
                continue;
            }
            // Its template data ends where Unfolded counts it from the extract's beginning. Only
            // whether its digest is all zeros is asked, and an extract has no violation.
            const list::Entry entry{.pcr = evidence_.pcr,
                                    .stored_digest = as_bytes(kFormerlyVerified),
                                    .template_name = record.name,
                                    .template_data = record.buf,
                                    .offset = record.offset,
                                    .size = record.buf.size()};
            if (const auto fields = list::decode_fields(entry.template_name, entry.template_data)) {
                follow(record.entry, entry, *fields, values);
                hear(record.entry, entry, *fields, 0);
            }
        }
        if (!reader.at_end())
            findings_.add(codes::kStateUnreadable, "an extract that is malformed");
        return reader.at_end();
    }

    /// The judge hears the kept part of the list first. Its digests were verified when it came.
    void tell_kept() {
        judge_.set_list(kept_.state()->list, evidence_.list.data);
        kept_bytes_ = kept_.state()->list.size();
        list::ListReader reader(kept_.state()->list);
        for (std::uint64_t number = 0;; ++number) {
            const auto entry = reader.next();
            if (!entry || !*entry) return;
            const list::Entry& one = **entry;
            if ((one.pcr != evidence_.pcr && !others_->covers(one.pcr, number)) ||
                one.is_violation()) {
                content_.add(one.is_violation() ? codes::kListViolation : codes::kListPcr,
                             "an entry of what is kept that nothing vouches for", in_list(number));
                continue;
            }
            if (const auto fields = list::decode_fields(one.template_name, one.template_data)) {
                PcrBanks values = zeros(quotes_.quoted());
                follow(number, one, *fields, values);
                hear(number, one, *fields, 0);
            }
        }
    }

    /// `base`: bytes of the list before the part that the entry's offset counts from.
    void hear(std::uint64_t number, const list::Entry& entry, const TemplateFields& fields,
              std::size_t base) {
        judge_.entry(number, entry, fields, base);
        wholeness_.entry(number, entry, fields);
    }

    bool check_list() {
        const PassResult done = appraise::run(
            pass_, [this](const HashedEntry& entry, PcrBanks& values) { visit(entry, values); });
        result_.entries = done.entries;
        result_.entries_beyond = done.beyond;
        if (done.malformed)
            findings_.add(codes::kListMalformed, to_string(*done.malformed),
                          in_list(done.malformed_entry));
        else if (!done.reached)
            tell_mismatch(done);
        else if (done.entries + done.beyond != evidence_.list.entries)
            findings_.add(codes::kListCount, "the list has " +
                                                 std::to_string(done.entries + done.beyond) +
                                                 " entries, and the evidence says " +
                                                 std::to_string(evidence_.list.entries));
        if (findings_.worst() == Weight::kUnusable) return false;
        result_.entries_beyond = done.beyond - visit_beyond(done);
        if (findings_.worst() == Weight::kUnusable) return false;
        if (result_.entries_beyond != 0)
            findings_.add(codes::kListLag,
                          std::to_string(result_.entries_beyond) +
                              " entries at the end are not covered by the quote, "
                              "and nothing in them was judged",
                          in_list(done.entries));
        covered_bytes_ = done.bytes;
        return check_continuation();
    }

    /// What stands in other PCRs behind the last entry that the first quote covers. Returns how
    /// many of these entries are no lag: a quote covers them, or none is over their PCR at all.
    std::uint64_t visit_beyond(const PassResult& done) {
        std::uint64_t told = 0;
        list::ListReader reader(pass_.list.subspan(done.bytes));
        PcrBanks untouched;
        for (std::uint64_t number = done.entries;; ++number) {
            const auto entry = reader.next();
            if (!entry || !*entry) return told;
            const unsigned pcr = (*entry)->pcr;
            const bool covered = others_->covers(pcr, number);
            if (!covered && (pcr == evidence_.pcr || others_->replays(pcr))) continue;
            if (covered)
                visit(hashed_alone(pass_, **entry, number), untouched);
            else
                tell_other_pcr(pcr, number);
            ++told;
        }
    }

    void tell_other_pcr(unsigned pcr, std::uint64_t number) {
        content_.add(codes::kListPcr,
                     "an entry of PCR " + std::to_string(pcr) + ", which no quote covers",
                     in_list(number));
    }

    void tell_mismatch(const PassResult& done) {
        std::string matching;
        for (std::size_t i = 0; i < done.values.size(); ++i)
            if (done.values[i] == quotes_.quoted()[i])
                matching +=
                    (matching.empty() ? "" : ", ") + std::string(name_of(done.values[i].first));
        findings_.add(codes::kListReplay,
                      "the list does not give the quoted PCR " + std::to_string(evidence_.pcr) +
                          ": it gives " + text_of(done.values) + ", quoted is " +
                          text_of(quotes_.quoted()) +
                          (matching.empty() ? "" : "; only " + matching + " agrees"));
    }

    /// The whole list again, and something is kept of this boot: it must begin with that.
    bool check_continuation() {
        if (!kept_.state() || evidence_.list.from_entry != 0) return true;
        if (covered_bytes_ >= kept_.state()->list.size() && kept_.continues()) return true;
        findings_.add(codes::kStateDiverged,
                      "the list does not go on from what is kept of this boot");
        return false;
    }

    void visit(const HashedEntry& hashed, PcrBanks& values) {
        const Place place = in_list(hashed.number);
        if (hashed.entry.pcr != evidence_.pcr &&
            !others_->covers(hashed.entry.pcr, hashed.number)) {
            if (!others_->replays(hashed.entry.pcr))
                return tell_other_pcr(hashed.entry.pcr, hashed.number);
            content_.add(codes::kListLag,
                         "an entry of PCR " + std::to_string(hashed.entry.pcr) +
                             ", which its quote does not cover, and which was not judged",
                         place);
            return;
        }
        if (hashed.violation) {
            content_.add(codes::kListViolation,
                         "a violation: nothing vouches for what stands there", place);
            return;
        }
        if (!hashed.stored_digest_right)
            findings_.add(codes::kListTemplateDigest,
                          "the template digest is not that of the entry's content", place);
        const bool first = hashed.number == 0 && (hashed.entry.template_name == "ima-ng" ||
                                                  hashed.entry.template_name == "ima-sig");
        if (!hashed.fields || (!first && hashed.entry.template_name != "ima-buf")) {
            findings_.add(codes::kListTemplate,
                          "an entry that is not of template ima-buf, or does "
                          "not add up",
                          place);
            return;
        }
        if (!first && hashed.payload != PayloadCheck::kRight) {
            findings_.add(codes::kListPayloadDigest, "the digest is not that of the payload",
                          place);
            return;
        }
        if (!follow(hashed.number, hashed.entry, *hashed.fields, values))
            content_.add(codes::kRecordMalformed, "a foreign extend's record that is malformed",
                         place);
        hear(hashed.number, hashed.entry, *hashed.fields, kept_bytes_);
    }

    /// Where the PCR began, and what it had, by the list, before a foreign extend's record. False:
    /// such a record is malformed.
    bool follow(std::uint64_t number, const list::Entry& entry, const TemplateFields& fields,
                PcrBanks& values) {
        start_->entry(number, entry);
        if (list::record_kind(fields.name) != list::kForeign || entry.pcr != evidence_.pcr)
            return true;
        if (!read_foreign(fields, evidence_.pcr, values)) return false;
        if (start_->explains(number, values)) judge_.explain_foreign(number);
        return true;
    }

    /// Each PCR that a rule puts entries into must be quoted, and its entries be there.
    void check_other_pcrs() {
        for (const auto& [pcr, entry] : wholeness_.policies().other_pcrs())
            if (!others_->replays(pcr))
                content_.add(codes::kEntriesMissing,
                             "a rule of the host's policy measures into PCR " +
                                 std::to_string(pcr) +
                                 ": it is not quoted, or the list does not give its value",
                             in_list(entry));
    }

    bool is_after_kexec() const {
        return judge_.claims().begins_elsewhere || !kept_.before_kexec().empty();
    }

    void check_boot(const BootAggregate& aggregate) {
        const HostClaims& claims = judge_.claims();
        result_.policy_digest = claims.policy;
        // The second entry, keyscribe:start, names the boot.
        if (claims.started && !evidence_.boot_id.empty() && claims.boot_id != evidence_.boot_id)
            findings_.add(codes::kBootId, "the list is of another boot than the evidence says",
                          in_list(1));
        // A kernel has one for as long as it runs.
        if (claims.started && !kept_.boot_put_aside().empty() &&
            claims.boot_id == kept_.boot_put_aside())
            content_.add(codes::kTpmReset,
                         "the TPM was reset and the list begun anew while the kernel of the kept "
                         "state ran on",
                         in_list(1));
        // Of what a service may sort its hosts by.
        if (claims.started && !evidence_.kernel.empty() && claims.kernel != evidence_.kernel)
            findings_.add(
                codes::kBootId,
                "the list is of another kernel than the evidence says: " + printable(claims.kernel),
                in_list(1));
        const auto& former = claims.former_boot_ids;
        if (kept_.state() && kept_.state()->boot_id != claims.boot_id &&
            std::ranges::find(former, kept_.state()->boot_id) == former.end())
            findings_.add(codes::kStateDiverged, "what is kept is of another boot than the list");
        if (!kept_.before_kexec().empty() && !claims.begins_elsewhere && !claims.start_explained)
            findings_.add(
                codes::kStateDiverged,
                "the list begins with a PCR of zeros, and by what is kept of this boot of "
                "the TPM it has gone on");
        if (result_.boot_id.empty()) result_.boot_id = claims.boot_id;
        if (result_.kernel.empty()) result_.kernel = claims.kernel;
        aggregate.check(claims.aggregate_algorithm, claims.aggregate, in_list(0));
    }

    void look_at_presences() {
        std::vector<bool> seen(judge_.keys().materials().size());
        for (const Presence& presence : judge_.keys().presences()) {
            if (!presence.judged) continue;
            wholeness_.policies().keyring(presence.ring, presence.since, presence.until);
            if (seen[presence.material]) continue;
            seen[presence.material] = true;
            ++result_.keys;
        }
        if (result_.keys == 0)
            content_.add(codes::kNothingJudged,
                         "no key stood in a keyring that is judged: nothing is known of this host");
    }

    /// What is older than the kept state must not take its place.
    void keep(const evidence::Evidence& whole, std::size_t covered_ima) {
        if (findings_.worst() == Weight::kUnusable || kept_.went_back()) return;
        // One of fewer banks could not go on to evidence in all of them.
        if (kept_.state() && kept_.state()->values.size() > quotes_.quoted().size()) return;
        const bool goes_on = evidence_.list.from_entry != 0;
        Appraisal::Next next{.kept = goes_on ? kept_.state()->list : Bytes(),
                             .added = evidence_.list.data.first(covered_bytes_)};
        if (goes_on && kept_.state()->extract) {
            next.extract = *kept_.state()->extract;
            next.before = kept_.state()->entries;
        }
        const QuoteClaims& claims = *result_.claims;
        next.state = {.ak = result_.key,
                      .boot_id = std::string(judge_.claims().boot_id),
                      .pcr = evidence_.pcr,
                      .reset_count = claims.reset_count,
                      .restart_count = claims.restart_count,
                      .clock = claims.clock,
                      .entries = result_.entries,
                      .quote = quotes_.digest(),
                      .values = quotes_.quoted(),
                      .before_kexec = kept_.before_kexec(),
                      .bytes = (goes_on ? kept_.state()->bytes : 0) + covered_bytes_};
        if (covered_ima != 0) {
            next.state.ima = whole.ima->data.first(covered_ima);
            next.state.ima_entries = result_.ima_entries;
            next.state.ima_algorithm = whole.ima->algorithm;
        } else if (!evidence_.ima && kept_.state()) {
            next.state.ima = kept_.state()->ima;
            next.state.ima_entries = kept_.state()->ima_entries;
            next.state.ima_algorithm = kept_.state()->ima_algorithm;
        }
        next.ima = ima_;
        result_.next = std::move(next);
    }

    /// Where the evidence is unusable, what its content says is nobody's word.
    void conclude() {
        const bool unusable = findings_.worst() == Weight::kUnusable;
        const Weight worst =
            unusable ? Weight::kUnusable : std::max(findings_.worst(), content_.worst());
        result_.findings = findings_.take();
        if (!unusable)
            for (Finding& finding : content_.take()) result_.findings.push_back(std::move(finding));
        std::ranges::stable_sort(result_.findings, std::greater(), &Finding::weight);
        if (unusable) {
            result_.keys = 0;
        } else {
            result_.model = judge_.model();
            result_.verdicts = judge_.take_verdicts();
        }
        result_.verdict = verdict_of(worst);
        if (result_.verdict == Verdict::kUnusable) result_.next.reset();
    }

    const evidence::Evidence& evidence_;
    const Request& request_;
    const Basis& basis_;
    Appraisal result_;
    Findings findings_;  // of the evidence itself
    Findings content_;   // of what it says, which counts only where it is genuine
    QuoteCheck quotes_;
    StateCheck kept_;
    Judge judge_;
    Wholeness wholeness_;
    std::optional<FirmwareCheck> firmware_;
    std::optional<ListStart> start_;
    std::optional<OtherPcrs> others_;
    ListPass pass_;
    std::shared_ptr<const std::vector<std::uint8_t>> ima_;  // the kept list and what is new
    std::size_t covered_bytes_ = 0;
    std::size_t kept_bytes_ = 0;  // of the list, before what is new
};

/// Where nothing can be looked at.
Appraisal unusable(const Code& code, std::string sentence) {
    Appraisal result;
    add(result, code, std::move(sentence));
    return result;
}

}  // namespace

Result<Basis> complete(Basis parts) {
    if (auto done = check_names(parts.policy, parts.references); !done)
        return std::unexpected(done.error());
    parts.policy.keyrings.signers = named_signers(parts.policy);
    parts.policy.written.clear();
    parts.blocked_keys.extend(parts.references);
    return parts;
}

Appraisal appraise(const evidence::Evidence& evidence, const Request& request, const Basis& basis) {
    if (!basis.policy.written.empty() || !basis.blocked_keys.is_extended_with(basis.references))
        return unusable(codes::kBasisIncomplete,
                        "the policy's names or the blocked keys were not checked against the "
                        "reference values: see complete()");
    return Appraiser(evidence, request, basis).run();
}

Appraisal appraise(const Request& request, const Basis& basis) {
    auto document = evidence::decode(request.evidence);
    if (!document) {
        return unusable(codes::kEvidenceMalformed, "not evidence: " + to_string(document.error()));
    }
    const auto shared = std::make_shared<const evidence::Document>(std::move(*document));
    Appraisal result = appraise(shared->evidence, request, basis);
    result.document = shared;
    return result;
}

}  // namespace keyscribe::appraise
