// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/state_check.h"

#include <algorithm>

#include "controller/list/record.h"
#include "controller/list/template_format.h"
#include "controller/service/appraise/codes.h"

namespace keyscribe::appraise {
namespace {

/// The boot that the list begins with, by its first start record; "": it has none. Evidence that
/// tpm2-tools' files make up says no other.
std::string_view first_boot(Bytes data) {
    list::ListReader reader(data);
    for (auto entry = reader.next(); entry && *entry; entry = reader.next()) {
        const auto fields = list::decode_fields((*entry)->template_name, (*entry)->template_data);
        if (!fields || !fields->is_buffer()) continue;
        const auto record = list::parse_record(fields->name, fields->more[0]);
        if (!record) continue;
        if (const auto* start = std::get_if<list::Start>(&*record)) return start->boot_id;
    }
    return {};
}

}  // namespace

bool StateCheck::run(const Request& request, const Appraisal& result, const Sha256& quote) {
    if (request.snapshot != nullptr) {
        state_ = *request.snapshot;
    } else {
        if (request.state.empty()) {
            if (!request.before_kexec.empty()) go_on_after_kexec(request.before_kexec);
            return true;
        }
        auto state = parse_state(request.state);
        if (!state) {
            findings_.add(codes::kStateUnreadable, to_string(state.error()));
            return false;
        }
        state_ = std::move(*state);
    }
    if (!compare_boots(result)) return false;
    if (state_ && state_->quote && *state_->quote == quote) {
        findings_.add(codes::kQuoteRepeated, "the quote is the one of which the state is kept");
        return false;
    }
    if (state_ && !state_->before_kexec.empty()) go_on_after_kexec(state_->before_kexec);
    return true;
}

/// The TPM's counters, then and now. What was kept of an earlier boot is put aside.
bool StateCheck::compare_boots(const Appraisal& result) {
    const QuoteClaims& now = *result.claims;
    if (state_->ak != result.key || state_->pcr != evidence_.pcr) {
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
    if (now.reset_count == state_->reset_count && now.restart_count == state_->restart_count) {
        if (evidence_.list.from_entry == 0 && !continues()) {
            const std::string_view boot =
                evidence_.boot_id.empty() ? first_boot(evidence_.list.data) : evidence_.boot_id;
            if (!boot.empty() && boot != state_->boot_id) begin_after_kexec();
        }
        return true;
    }
    const bool reset = now.reset_count != state_->reset_count;
    if (!reset && continues()) {
        findings_.add(codes::kTpmResumed, "the TPM was suspended and resumed, and kept its PCRs");
        return true;
    }
    findings_.add(codes::kBootNew, "the host was booted anew: TPM resets " +
                                       std::to_string(state_->reset_count) + " to " +
                                       std::to_string(now.reset_count) + ", restarts " +
                                       std::to_string(state_->restart_count) + " to " +
                                       std::to_string(now.restart_count));
    if (!went_back_) boot_put_aside_ = state_->boot_id;
    state_.reset();
    return true;
}

/// One boot of the TPM, another of the kernel, and a list that begins anew. The PCR goes on from
/// the former list: what is kept of it may explain that. Where it does not, the list's foreign
/// record tells that something is missing.
void StateCheck::begin_after_kexec() {
    findings_.add(codes::kBootNew,
                  "another kernel was started by kexec, and the list begins anew: what is kept of "
                  "the one before is put aside");
    go_on_after_kexec(state_->values);
    state_.reset();
}

/// What the PCR had explains how the list began, now and as long as it goes on.
void StateCheck::go_on_after_kexec(const PcrBanks& values) {
    content_.add(codes::kKexec, policy_.host.allow_kexec,
                 "another kernel was started by kexec: from what is kept of the one before until "
                 "the list began nobody recorded");
    before_kexec_ = values;
}

bool StateCheck::continues() const {
    const evidence::List& list = evidence_.list;
    if (list.from_entry != 0) return list.from_entry == state_->entries;
    // A snapshot does not say how the list began: whoever has it asks with the whole one.
    if (state_->extract) return false;
    return list.data.size() >= state_->list.size() &&
           std::ranges::equal(list.data.first(state_->list.size()), state_->list);
}

}  // namespace keyscribe::appraise
