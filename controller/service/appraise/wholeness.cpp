// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/wholeness.h"

#include <algorithm>

#include "controller/list/record.h"
#include "controller/service/appraise/codes.h"

namespace keyscribe::appraise {

Wholeness::Wholeness(const AppraisalPolicy& policy, Findings& findings)
    : findings_(findings),
      completeness_([&findings](std::string sentence, std::uint64_t entry) {
          findings.add(codes::kBaselineMissing, std::move(sentence), in_list(entry));
      }),
      policies_(policy, findings) {}

void Wholeness::entry(std::uint64_t number, const list::Entry& entry,
                      const TemplateFields& fields) {
    const auto kind = list::record_kind(fields.name);
    if (!kind) return;
    if (*kind != list::kBatch)
        return record({.entry = number, .name = fields.name, .buf = fields.more[0]});
    auto records = list::Unfolded::of(entry, number);
    if (!records) return;  // the judge tells it
    while (const auto one = records->next()) record(*one);
}

void Wholeness::record(const list::LogicalRecord& record) {
    completeness_.record(record);
    policies_.record(record);
    const auto kind = list::record_kind(record.name);
    if (kind == "start" || kind == "restart" || kind == "kexec" || kind == "tpm") read_tpm(record);
}

void Wholeness::read_tpm(const list::LogicalRecord& record) {
    tpm_.reset();
    const auto parsed = list::parse_record(record.name, record.buf);
    if (!parsed) return;  // the judge tells it
    std::optional<list::TpmFacts> told;
    if (const auto* start = std::get_if<list::Start>(&*parsed)) told = start->tpm;
    if (const auto* change = std::get_if<list::TpmChange>(&*parsed)) told = change->tpm;
    if (!told) return;
    tpm_ = Tpm{.entry = record.entry, .resets = told->resets, .banks = std::move(told->banks)};
}

void Wholeness::finish(const QuoteClaims& claims, const PcrBanks& quoted, bool all_banks) {
    completeness_.finish();
    policies_.finish();
    if (!tpm_) {
        findings_.add(codes::kTpmUntold,
                      "the list does not say which TPM, and after how many resets, it is of");
        return;
    }
    if (tpm_->resets != claims.reset_count)
        findings_.add(codes::kTpmOther,
                      "the list was begun after " + std::to_string(tpm_->resets) +
                          " resets of the TPM, and the quote is after " +
                          std::to_string(claims.reset_count),
                      in_list(tpm_->entry));
    for (const auto& [bank, value] : quoted)
        if (std::ranges::find(tpm_->banks, bank) == tpm_->banks.end())
            findings_.add(codes::kTpmOther,
                          "bank " + std::string(name_of(bank)) +
                              " is quoted, and the list does not say that it is extended",
                          in_list(tpm_->entry));
    for (const Algorithm bank : tpm_->banks)
        if (all_banks &&
            std::ranges::find(quoted, bank, &PcrBanks::value_type::first) == quoted.end())
            findings_.add(codes::kTpmOther,
                          "the list says that bank " + std::string(name_of(bank)) +
                              " is extended, and it is not quoted",
                          in_list(tpm_->entry));
}

}  // namespace keyscribe::appraise
