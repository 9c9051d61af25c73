// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/quote_check.h"

#include <algorithm>

#include "controller/service/appraise/codes.h"
#include "controller/service/appraise/other_pcrs.h"

namespace keyscribe::appraise {
namespace {

/// A PCR that both quotes are over, with different values.
std::optional<unsigned> contradiction(const evidence::Quote& one, const evidence::Quote& other) {
    for (const auto& [bank, values] : one.pcrs) {
        const auto same_bank = other.pcrs.find(bank);
        if (same_bank == other.pcrs.end()) continue;
        for (const auto& [pcr, value] : values) {
            const auto again = same_bank->second.find(pcr);
            if (again != same_bank->second.end() && again->second != value) return pcr;
        }
    }
    return std::nullopt;
}

}  // namespace

bool QuoteCheck::run(Appraisal& result) { return check_key(result) && check_quotes(result); }

bool QuoteCheck::check_key(Appraisal& result) {
    if (evidence_.pcr != policy_.evidence.pcr) {
        findings_.add(codes::kEvidencePcr,
                      "the list is in PCR " + std::to_string(evidence_.pcr) + ", where PCR " +
                          std::to_string(policy_.evidence.pcr) + " was expected");
        return false;
    }
    if (is_resettable(evidence_.pcr)) {
        findings_.add(
            codes::kEvidencePcr,
            "PCR " + std::to_string(evidence_.pcr) +
                " can be reset while the system runs, so nothing in it can be relied upon");
        return false;
    }
    if (request_.nonce.empty()) {
        findings_.add(codes::kQuoteNonce, "no nonce was asked for: the quote may be an old one");
        return false;
    }
    if (evidence_.ak.empty()) return true;
    const auto ak = parse_public(evidence_.ak);
    if (!ak) {
        findings_.add(codes::kAkMalformed, "the evidence's attestation key: " + ak.error().what);
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
        findings_.add(codes::kAkName, "the attestation key's name is not that of its public part");
    result.key_name = to_hex(ak->name);
    return findings_.worst() != Weight::kUnusable;
}

/// Every quote must be good. Several may be over one PCR, where they agree.
bool QuoteCheck::check_quotes(Appraisal& result) {
    for (const evidence::Quote& quote : evidence_.quotes) {
        if (std::ranges::any_of(evidence_.quotes, [&quote](const evidence::Quote& other) {
                return &other != &quote && std::ranges::equal(other.attest, quote.attest);
            })) {
            findings_.add(codes::kQuoteRepeated, "the same quote is there twice");
            return false;
        }
        const auto claims = verify(quote);
        if (!claims) return false;
        if (result.claims && (claims->reset_count != result.claims->reset_count ||
                              claims->restart_count != result.claims->restart_count ||
                              claims->signer != result.claims->signer)) {
            findings_.add(codes::kQuoteBoots, "the quotes are not of one boot, or not by one key");
            return false;
        }
        if (!result.claims) result.claims = claims;
        for (const evidence::Quote& other : evidence_.quotes)
            if (const auto pcr = contradiction(quote, other)) {
                findings_.add(codes::kQuoteRepeated,
                              "two quotes have different values of PCR " + std::to_string(*pcr) +
                                  ": to which of them its list belongs cannot be told");
                return false;
            }
        if (!quoted_.empty()) continue;
        quoted_ = values_of(quote, evidence_.pcr);
        quote_ = sha256(quote.attest);
    }
    if (quoted_.empty()) {
        findings_.add(codes::kQuoteSelection,
                      "no quote is over PCR " + std::to_string(evidence_.pcr));
        return false;
    }
    result.key = to_hex(sha256(key_->der()));
    result.key_file = key_->label();
    return has_required_banks(quoted_, evidence_.pcr, policy_, findings_);
}

/// With the key that the evidence names, or else whichever of the given ones fits.
std::optional<QuoteClaims> QuoteCheck::verify(const evidence::Quote& quote) {
    if (key_ != nullptr) return verify_quote(quote, *key_, request_.nonce, findings_);
    for (const AttestationKey& key : request_.keys) {
        Findings of_this_key;
        auto claims = verify_quote(quote, key, request_.nonce, of_this_key);
        if (claims) return key_ = &key, claims;
        if (&key == &request_.keys.back())
            for (Finding& finding : of_this_key.take())
                findings_.add({finding.code, finding.weight}, std::move(finding.sentence));
    }
    if (request_.keys.empty()) findings_.add(codes::kAkMismatch, "no attestation key is expected");
    return std::nullopt;
}

bool has_required_banks(const PcrBanks& banks, unsigned pcr, const AppraisalPolicy& policy,
                        Findings& findings) {
    for (const Algorithm bank : policy.evidence.banks) {
        if (std::ranges::find(banks, bank, &PcrBanks::value_type::first) != banks.end()) continue;
        findings.add(codes::kQuoteBanks, "PCR " + std::to_string(pcr) + " is not quoted in bank " +
                                             std::string(name_of(bank)));
        return false;
    }
    return true;
}

}  // namespace keyscribe::appraise
