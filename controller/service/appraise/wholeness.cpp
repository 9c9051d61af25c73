// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/wholeness.h"

#include <algorithm>

#include "controller/list/cbor_reader.h"
#include "controller/service/appraise/codes.h"

namespace keyscribe::appraise {

namespace cbor = list::cbor;

Wholeness::Wholeness(const AppraisalPolicy& policy, Findings& findings)
    : findings_(findings),
      completeness_([&findings](std::string sentence, std::uint64_t entry) {
          findings.add(codes::kBaselineMissing, std::move(sentence), in_list(entry));
      }),
      policies_(policy, findings) {}

void Wholeness::entry(std::uint64_t number, const list::Entry& entry,
                      const TemplateFields& fields) {
    if (!fields.name.starts_with("keyscribe:")) return;
    if (fields.name != "keyscribe:batch")
        return record({.entry = number, .name = fields.name, .buf = fields.more[0]});
    auto records = list::Unfolded::of(entry, number);
    if (!records) return;  // the judge tells it
    while (const auto one = records->next()) record(*one);
}

void Wholeness::record(const list::LogicalRecord& record) {
    completeness_.record(record);
    policies_.record(record);
    if (record.name == "keyscribe:start" || record.name == "keyscribe:restart" ||
        record.name == "keyscribe:tpm")
        read_tpm(record);
}

void Wholeness::read_tpm(const list::LogicalRecord& record) {
    const auto fields = cbor::Map::parse(record.buf);
    const auto about = fields ? (*fields)["tpm"] : std::nullopt;
    const auto tpm = about ? cbor::Map::of(*about) : std::nullopt;
    const auto resets = tpm ? tpm->uint("resets") : std::nullopt;
    const auto banks = tpm ? (*tpm)["banks"] : std::nullopt;
    tpm_.reset();
    if (!resets || !banks || banks->kind != cbor::Kind::kArray) return;
    Tpm told{.entry = record.entry, .resets = *resets, .banks = {}};
    for (Bytes rest = banks->content; !rest.empty();) {
        const auto name = cbor::next(rest).text();
        const auto bank = name ? algorithm_named(*name) : std::nullopt;
        if (!bank || std::ranges::find(told.banks, *bank) != told.banks.end()) return;
        told.banks.push_back(*bank);
    }
    tpm_ = std::move(told);
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
