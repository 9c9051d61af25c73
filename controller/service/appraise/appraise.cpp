// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/appraise.h"

#include <algorithm>

#include "controller/list/record.h"
#include "controller/service/appraise/codes.h"
#include "controller/service/appraise/ima_list.h"
#include "controller/service/appraise/judge.h"
#include "controller/service/appraise/list_pass.h"
#include "controller/service/appraise/other_pcrs.h"
#include "controller/service/appraise/wholeness.h"

namespace keyscribe::appraise {
namespace {

constexpr unsigned kImaPcr = 10;

/// TCG PC Client Platform TPM Profile, 4.6.2: PCR 16 (debug) and 23 (application support) are reset
/// from any locality.
bool is_resettable(unsigned pcr) { return pcr == 16 || pcr == 23; }

std::string text_of(const PcrBanks& values) {
    std::string text;
    for (const auto& [bank, value] : values)
        text += (text.empty() ? "" : ", ") + std::string(name_of(bank)) + ':' + to_hex(value);
    return text;
}

/// What the PCR had when a keyscribe:foreign record was written. False: malformed.
bool read_foreign(const TemplateFields& fields, unsigned pcr, PcrBanks& values) {
    const auto record = list::parse_record(fields.name, fields.more[0]);
    const auto* foreign = record ? std::get_if<list::Foreign>(&*record) : nullptr;
    if (foreign == nullptr || foreign->pcr != pcr) return false;
    for (const auto& [bank, digest] : foreign->values) {
        const auto value = std::ranges::find(values, bank, &PcrBanks::value_type::first);
        if (value != values.end()) value->second = digest;
    }
    return true;
}

Verdict verdict_of(Weight worst) {
    return worst == Weight::kUnusable          ? Verdict::kUnusable
           : worst == Weight::kContraindicates ? Verdict::kContraindicated
                                               : Verdict::kAffirmed;
}

/// One appraisal, step by step. A step that is false leaves nothing for the next one to stand on.
class Appraiser {
  public:
    Appraiser(const evidence::Evidence& evidence, const Request& request, const Basis& basis)
        : evidence_(evidence),
          request_(request),
          basis_(basis),
          judge_(basis.policy, basis.references, basis.blocked_keys, request.now, content_),
          wholeness_(basis.policy, content_) {
        judge_.set_list({}, evidence.list.data);
    }

    Appraisal run() {
        result_.boot_id = evidence_.boot_id;
        result_.kernel = evidence_.kernel;
        result_.software = evidence_.software;
        if (check_key() && check_quotes() && check_state() && check_list()) {
            judge_.finish();
            wholeness_.finish(*result_.claims, quoted_, !evidence_.ak.empty());
            check_boot();
            check_other_pcrs();
            check_ima();
            count_keys();
            keep();
        }
        conclude();
        return std::move(result_);
    }

  private:
    bool check_key() {
        if (evidence_.pcr != basis_.policy.evidence.pcr) {
            findings_.add(codes::kEvidencePcr,
                          "the list is in PCR " + std::to_string(evidence_.pcr) + ", where PCR " +
                              std::to_string(basis_.policy.evidence.pcr) + " was expected");
            return false;
        }
        if (is_resettable(evidence_.pcr)) {
            findings_.add(codes::kEvidencePcr,
                          "PCR " + std::to_string(evidence_.pcr) +
                              " can be reset at any time, so nothing in it can be relied upon");
            return false;
        }
        if (request_.nonce.empty()) {
            findings_.add(codes::kQuoteNonce,
                          "no nonce was asked for: the quote may be an old one");
            return false;
        }
        if (evidence_.ak.empty()) return true;
        const auto ak = parse_public(evidence_.ak);
        if (!ak) {
            findings_.add(codes::kAkMalformed,
                          "the evidence's attestation key: " + ak.error().what);
            return false;
        }
        const auto key = std::ranges::find(request_.keys, ak->numbers, &AttestationKey::numbers);
        if (key == request_.keys.end())
            findings_.add(codes::kAkMismatch,
                          "the evidence is by another attestation key than the expected one");
        else
            key_ = &*key;
        if (!ak->restricted_signing)
            findings_.add(
                codes::kAkNotRestricted,
                "the attestation key signs more than what its TPM made: it is " + ak->lacking);
        if (evidence_.ak_name && !std::ranges::equal(*evidence_.ak_name, ak->name))
            findings_.add(codes::kAkName,
                          "the attestation key's name is not that of its public part");
        result_.key_name = to_hex(ak->name);
        return findings_.worst() != Weight::kUnusable;
    }

    /// Every quote must be good; the first that is over Keyscribe's PCR is the one that counts.
    bool check_quotes() {
        for (const evidence::Quote& quote : evidence_.quotes) {
            if (std::ranges::any_of(evidence_.quotes, [&quote](const evidence::Quote& other) {
                    return &other != &quote && std::ranges::equal(other.attest, quote.attest);
                })) {
                findings_.add(codes::kQuoteRepeated, "the same quote is there twice");
                return false;
            }
            const auto claims = verify(quote);
            if (!claims) return false;
            if (result_.claims && (claims->reset_count != result_.claims->reset_count ||
                                   claims->restart_count != result_.claims->restart_count ||
                                   claims->signer != result_.claims->signer)) {
                findings_.add(codes::kQuoteBoots,
                              "the quotes are not of one boot, or not by one key");
                return false;
            }
            if (!result_.claims) result_.claims = claims;
            if (!quoted_.empty()) continue;
            quoted_ = values_of(quote, evidence_.pcr);
            quote_ = sha256(quote.attest);
        }
        if (quoted_.empty()) {
            findings_.add(codes::kQuoteSelection,
                          "no quote is over PCR " + std::to_string(evidence_.pcr));
            return false;
        }
        result_.key = to_hex(sha256(key_->der()));
        result_.key_file = key_->label();
        return has_required_banks(quoted_, evidence_.pcr);
    }

    /// With the key that the evidence names, or else whichever of the given ones fits.
    std::optional<QuoteClaims> verify(const evidence::Quote& quote) {
        if (key_ != nullptr) return verify_quote(quote, *key_, request_.nonce, findings_);
        for (const AttestationKey& key : request_.keys) {
            Findings of_this_key;
            auto claims = verify_quote(quote, key, request_.nonce, of_this_key);
            if (claims) return key_ = &key, claims;
            if (&key == &request_.keys.back())
                for (Finding& finding : of_this_key.take())
                    findings_.add({finding.code, finding.weight}, std::move(finding.sentence));
        }
        if (request_.keys.empty())
            findings_.add(codes::kAkMismatch, "no attestation key is expected");
        return std::nullopt;
    }

    bool has_required_banks(const PcrBanks& banks, unsigned pcr) {
        for (const Algorithm bank : basis_.policy.evidence.banks) {
            if (std::ranges::find(banks, bank, &PcrBanks::value_type::first) != banks.end())
                continue;
            findings_.add(codes::kQuoteBanks, "PCR " + std::to_string(pcr) +
                                                  " is not quoted in bank " +
                                                  std::string(name_of(bank)));
            return false;
        }
        return true;
    }

    /// Where the list begins: from nothing, or from what was kept of this boot.
    bool check_state() {
        const evidence::List& list = evidence_.list;
        pass_ = {.list = list.data,
                 .first_entry = list.from_entry,
                 .pcr = evidence_.pcr,
                 .start = zeros(quoted_),
                 .quoted = quoted_,
                 .threads = request_.threads};
        if (!request_.state.empty()) {
            auto state = parse_state(request_.state);
            if (!state) {
                findings_.add(codes::kStateUnreadable, to_string(state.error()));
                return false;
            }
            state_ = std::move(*state);
            if (!compare_boots()) return false;
        }
        if (state_ && state_->quote && *state_->quote == quote_) {
            findings_.add(codes::kQuoteRepeated, "the quote is the one of which the state is kept");
            return false;
        }
        if (list.from_entry == 0) {
            others_.emplace(evidence_, basis_.policy.evidence.banks,
                            OtherPcrs::List{.pcr = evidence_.pcr, .first = list.data});
            return true;
        }
        if (!state_) {
            findings_.add(
                codes::kStateMissing,
                "the evidence has only what is new, and nothing is kept of what was before");
            return false;
        }
        if (list.from_entry != state_->entries || list.offset != state_->list.size()) {
            findings_.add(codes::kStateGap, "the evidence begins at entry " +
                                                std::to_string(list.from_entry) +
                                                ", and what is kept ends before entry " +
                                                std::to_string(state_->entries));
            return false;
        }
        for (auto& [bank, value] : pass_.start) {
            const auto kept = std::ranges::find(state_->values, bank, &PcrBanks::value_type::first);
            if (kept == state_->values.end()) {
                findings_.add(codes::kStateGap,
                              "nothing is kept of bank " + std::string(name_of(bank)));
                return false;
            }
            value = kept->second;
        }
        others_.emplace(
            evidence_, basis_.policy.evidence.banks,
            OtherPcrs::List{.pcr = evidence_.pcr, .first = state_->list, .rest = list.data});
        tell_kept();
        return true;
    }

    /// The TPM's counters, then and now. What was kept of an earlier boot is put aside.
    bool compare_boots() {
        const QuoteClaims& now = *result_.claims;
        if (state_->ak != result_.key || state_->pcr != evidence_.pcr) {
            findings_.add(codes::kStateDiverged, "the kept state is of another key or PCR");
            return false;
        }
        if (now.reset_count < state_->reset_count ||
            (now.reset_count == state_->reset_count &&
             (now.restart_count < state_->restart_count || now.clock < state_->clock))) {
            went_back_ = true;
            content_.add(codes::kStateBack,
                         "the TPM's counters went back: it was cleared, or the evidence is older "
                         "than what is kept");
        }
        if (now.reset_count == state_->reset_count && now.restart_count == state_->restart_count)
            return true;
        const bool reset = now.reset_count != state_->reset_count;
        if (!reset && continues_kept()) {
            findings_.add(codes::kTpmResumed,
                          "the TPM was suspended and resumed, and kept its PCRs");
            return true;
        }
        findings_.add(codes::kBootNew, "the host was booted anew: TPM resets " +
                                           std::to_string(state_->reset_count) + " to " +
                                           std::to_string(now.reset_count) + ", restarts " +
                                           std::to_string(state_->restart_count) + " to " +
                                           std::to_string(now.restart_count));
        state_.reset();
        return true;
    }

    bool continues_kept() const {
        const evidence::List& list = evidence_.list;
        if (list.from_entry != 0) return list.from_entry == state_->entries;
        return list.data.size() >= state_->list.size() &&
               std::ranges::equal(list.data.first(state_->list.size()), state_->list);
    }

    /// The judge hears the kept part of the list first. Its digests were verified when it came.
    void tell_kept() {
        judge_.set_list(state_->list, evidence_.list.data);
        kept_bytes_ = state_->list.size();
        list::ListReader reader(state_->list);
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
            if (const auto fields = list::decode_fields(one.template_name, one.template_data))
                hear(number, one, *fields, 0);
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
        visit_beyond(done);
        if (findings_.worst() == Weight::kUnusable) return false;
        if (done.beyond != 0)
            findings_.add(codes::kListLag,
                          std::to_string(done.beyond) +
                              " entries at the end are not covered by the quote, "
                              "and nothing in them was judged",
                          in_list(done.entries));
        covered_bytes_ = done.bytes;
        return check_continuation();
    }

    /// What stands in other PCRs behind the last entry that the first quote covers.
    void visit_beyond(const PassResult& done) {
        list::ListReader reader(pass_.list.subspan(done.bytes));
        PcrBanks untouched;
        for (std::uint64_t number = done.entries; number < others_->end(); ++number) {
            const auto entry = reader.next();
            if (!entry || !*entry) return;
            if (others_->covers((*entry)->pcr, number))
                visit(hashed_alone(pass_, **entry, number), untouched);
        }
    }

    void tell_mismatch(const PassResult& done) {
        std::string matching;
        for (std::size_t i = 0; i < done.values.size(); ++i)
            if (done.values[i] == quoted_[i])
                matching +=
                    (matching.empty() ? "" : ", ") + std::string(name_of(done.values[i].first));
        findings_.add(codes::kListReplay,
                      "the list does not give the quoted PCR " + std::to_string(evidence_.pcr) +
                          ": it gives " + text_of(done.values) + ", quoted is " + text_of(quoted_) +
                          (matching.empty() ? "" : "; only " + matching + " agrees"));
    }

    /// The whole list again, and something is kept of this boot: it must begin with that.
    bool check_continuation() {
        if (!state_ || evidence_.list.from_entry != 0) return true;
        if (covered_bytes_ >= state_->list.size() && continues_kept()) return true;
        findings_.add(codes::kStateDiverged,
                      "the list does not go on from what is kept of this boot");
        return false;
    }

    void visit(const HashedEntry& hashed, PcrBanks& values) {
        const Place place = in_list(hashed.number);
        if (hashed.entry.pcr != evidence_.pcr &&
            !others_->covers(hashed.entry.pcr, hashed.number)) {
            const bool replays = others_->replays(hashed.entry.pcr);
            content_.add(replays ? codes::kListLag : codes::kListPcr,
                         "an entry of PCR " + std::to_string(hashed.entry.pcr) +
                             (replays ? ", which its quote does not cover, and which was not judged"
                                      : ", which no quote covers"),
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
        if (list::record_kind(hashed.fields->name) == list::kForeign &&
            hashed.entry.pcr == evidence_.pcr &&
            !read_foreign(*hashed.fields, evidence_.pcr, values))
            content_.add(codes::kRecordMalformed, "a foreign extend's record that is malformed",
                         place);
        hear(hashed.number, hashed.entry, *hashed.fields, kept_bytes_);
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

    void check_boot() {
        const HostClaims& claims = judge_.claims();
        result_.policy_digest = claims.policy;
        // The second entry, keyscribe:start, names the boot.
        if (claims.started && !evidence_.boot_id.empty() && claims.boot_id != evidence_.boot_id)
            findings_.add(codes::kBootId, "the list is of another boot than the evidence says",
                          in_list(1));
        if (state_ && state_->boot_id != claims.boot_id)
            findings_.add(codes::kStateDiverged, "what is kept is of another boot than the list");
        if (result_.boot_id.empty()) result_.boot_id = claims.boot_id;
        check_aggregate(claims.aggregate_algorithm, claims.aggregate, in_list(0));
    }

    /// boot_aggregate against PCR 0 to 9 (of SHA-1: 0 to 7), where a quote is over them. Returns
    /// whether one is.
    bool check_aggregate(std::string_view algorithm, Bytes aggregate, Place place) {
        const auto bank = algorithm_named(algorithm);
        const bool required = basis_.policy.evidence.require_boot_aggregate;
        for (const evidence::Quote& quote : evidence_.quotes) {
            const auto values = bank ? quote.pcrs.find(*bank) : quote.pcrs.end();
            if (values == quote.pcrs.end()) continue;
            const unsigned pcrs = *bank == Algorithm::kSha1 ? 8 : 10;
            std::vector<std::uint8_t> all;
            bool complete = true;
            for (unsigned pcr = 0; pcr < pcrs && complete; ++pcr) {
                const auto value = values->second.find(pcr);
                complete = value != values->second.end();
                if (!complete) break;
                const Bytes bytes = value->second;
                all.insert(all.end(), bytes.begin(), bytes.end());
            }
            if (!complete) continue;
            if (!std::ranges::equal(Bytes(hash(*bank, all)), aggregate))
                content_.add(codes::kBootAggregate,
                             "boot_aggregate is not that of the quoted PCRs of the firmware",
                             place);
            return true;
        }
        if (required)
            content_.add(codes::kBootAggregate,
                         "boot_aggregate cannot be compared: its PCRs are not quoted", place);
        return required;
    }

    void check_ima() {
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
            findings_.add(codes::kImaNotQuoted,
                          "the kernel's list is there, and no quote over PCR 10");
            return;
        }
        if (!has_required_banks(quoted, kImaPcr)) return;
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
                            .threads = request_.threads};
        ImaJudge judge(basis_.policy, judge_.keys(), basis_.blocked_files, pass, content_);
        const OtherPcrs others(
            evidence_, basis_.policy.evidence.banks,
            {.pcr = kImaPcr, .stored = pass.stored, .first = evidence_.ima->data});
        const PassResult done = appraise::run(
            pass, [&](const HashedEntry& entry, PcrBanks&) { visit_ima(entry, others, judge); });
        const std::uint64_t covered_beyond =
            done.reached ? visit_ima_beyond(pass, done, others, judge) : 0;
        result_.ima_entries = done.entries;
        result_.ima_signatures = judge.verified();
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
        if (done.reached && done.entries == 0)
            content_.add(codes::kImaStart, "no entry of the kernel's list is covered by the quote");
    }

    /// Banks of whose digest the kernel has no implementation while it boots.
    bool agrees_padded(ListPass pass, const PassResult& done, const PcrBanks& quoted) {
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
    /// many of these entries a quote covers.
    std::uint64_t visit_ima_beyond(const ListPass& pass, const PassResult& done,
                                   const OtherPcrs& others, ImaJudge& judge) {
        std::uint64_t covered = 0;
        list::ListReader reader(pass.list.subspan(done.bytes), pass.stored);
        for (std::uint64_t number = done.entries; number < others.end(); ++number) {
            const auto entry = reader.next();
            if (!entry || !*entry) break;
            if ((*entry)->pcr == kImaPcr || !others.covers((*entry)->pcr, number)) continue;
            visit_ima(hashed_alone(pass, **entry, number), others, judge);
            ++covered;
        }
        return covered;
    }

    void visit_ima(const HashedEntry& hashed, const OtherPcrs& others, ImaJudge& judge) {
        const Place place = in_ima(hashed.number);
        const unsigned pcr = hashed.entry.pcr;
        if (pcr != kImaPcr && !others.covers(pcr, hashed.number)) {
            const std::string entry = "an entry of PCR " + std::to_string(pcr);
            if (others.replays(pcr))
                content_.add(codes::kImaLag,
                             entry + ", which its quote does not cover, and which was not judged",
                             place);
            else
                content_.add(codes::kImaPcr, basis_.policy.ima.allow_other_pcrs,
                             entry + ", which no quote covers, and which was not judged", place);
            return;
        }
        if (!hashed.violation && !hashed.stored_digest_right)
            findings_.add(codes::kImaTemplateDigest,
                          "the template digest is not that of the entry's content", place);
        if (!hashed.violation && hashed.payload == PayloadCheck::kWrong) {
            findings_.add(codes::kImaPayloadDigest, "the digest is not that of the payload", place);
            return;
        }
        const bool begins =
            !hashed.violation && hashed.fields && hashed.fields->name == "boot_aggregate";
        if (hashed.number == 0 && !begins)
            content_.add(codes::kImaStart, "the kernel's list does not begin with boot_aggregate",
                         place);
        judge.entry(hashed, begins && check_aggregate(hashed.fields->algorithm,
                                                      hashed.fields->digest, place));
    }

    void count_keys() {
        std::vector<bool> seen(judge_.keys().materials().size());
        for (const Presence& presence : judge_.keys().presences()) {
            if (!presence.judged || seen[presence.material]) continue;
            seen[presence.material] = true;
            ++result_.keys;
        }
        if (result_.keys == 0)
            content_.add(codes::kNothingJudged,
                         "no key stood in a keyring that is judged: nothing is known of this host");
    }

    /// What is older than the kept state must not take its place.
    void keep() {
        if (findings_.worst() == Weight::kUnusable || went_back_) return;
        const bool goes_on = evidence_.list.from_entry != 0;
        Appraisal::Next next{.kept = goes_on ? state_->list : Bytes(),
                             .added = evidence_.list.data.first(covered_bytes_)};
        const QuoteClaims& claims = *result_.claims;
        next.state = {.ak = result_.key,
                      .boot_id = std::string(judge_.claims().boot_id),
                      .pcr = evidence_.pcr,
                      .reset_count = claims.reset_count,
                      .restart_count = claims.restart_count,
                      .clock = claims.clock,
                      .entries = result_.entries,
                      .quote = quote_,
                      .values = quoted_};
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
    Judge judge_;
    Wholeness wholeness_;
    const AttestationKey* key_ = nullptr;
    Sha256 quote_{};  // of the first quote that is over the list's PCR
    bool went_back_ = false;
    PcrBanks quoted_;
    std::optional<KeptState> state_;
    std::optional<OtherPcrs> others_;
    ListPass pass_;
    std::size_t covered_bytes_ = 0;
    std::size_t kept_bytes_ = 0;  // of the list, before what is new
};

}  // namespace

std::string Appraisal::Next::header() const { return state_header(state, kept, added); }

std::string_view name_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::kAffirmed:
            return "affirmed";
        case Verdict::kContraindicated:
            return "contraindicated";
        case Verdict::kUnusable:
            break;
    }
    return "unusable";
}

void add(Appraisal& appraisal, const Code& code, std::string sentence) {
    appraisal.findings.push_back({code.name, code.weight, std::move(sentence), {}, {}});
    std::ranges::stable_sort(appraisal.findings, std::greater(), &Finding::weight);
    appraisal.verdict = std::max(appraisal.verdict, verdict_of(code.weight));
}

Appraisal appraise(const evidence::Evidence& evidence, const Request& request, const Basis& basis) {
    return Appraiser(evidence, request, basis).run();
}

Appraisal appraise(const Request& request, const Basis& basis) {
    auto document = evidence::decode(request.evidence);
    if (!document) {
        Findings findings;
        findings.add(codes::kEvidenceMalformed, "not evidence: " + to_string(document.error()));
        Appraisal result;
        result.findings = findings.take();
        return result;
    }
    const auto shared = std::make_shared<const evidence::Document>(std::move(*document));
    Appraisal result = appraise(shared->evidence, request, basis);
    result.document = shared;
    return result;
}

}  // namespace keyscribe::appraise
