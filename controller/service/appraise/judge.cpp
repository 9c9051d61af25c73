// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/judge.h"

#include <algorithm>

#include "controller/list/template_data.h"
#include "controller/list/unfold.h"
#include "controller/service/appraise/codes.h"

namespace keyscribe::appraise {

void Judge::tell(const Code& code, std::string sentence) {
    findings_.add(code, std::move(sentence), in_list(number_));
}

void Judge::entry(std::uint64_t number, const list::Entry& entry,
                  const list::TemplateFields& fields, std::size_t base) {
    number_ = number;
    empty_ = false;
    if (number == 0) {
        // In PCR 10 it is the kernel's own, of whatever template the kernel has.
        const bool is_file = entry.template_name == "ima-ng" || entry.template_name == "ima-sig";
        if (!is_file || fields.name != "boot_aggregate") {
            tell(codes::kListStart, "the list does not begin with boot_aggregate");
        } else {
            claims_.aggregate_algorithm = fields.algorithm;
            claims_.aggregate = fields.digest;
            return;
        }
    } else if (number == 1 && list::record_kind(fields.name) != "start") {
        tell(codes::kListStart, "the second entry does not say who is speaking");
    }
    auto records = list::Unfolded::of(entry, number);
    if (!records)
        return tell(codes::kRecordMalformed, "a batch that is malformed: " + records.error().what);
    // The digest of an entry that is no batch was verified: nothing has to be hashed again.
    std::optional<Sha256> digest;
    if (fields.algorithm == "sha256" && fields.digest.size() == std::tuple_size_v<Sha256> &&
        list::record_kind(fields.name) != list::kBatch) {
        digest.emplace();
        std::ranges::copy(fields.digest, digest->begin());
    }
    while (auto one = records->next()) {
        one->offset += base;
        record(*one, digest);
    }
}

void Judge::record(const list::LogicalRecord& source, const std::optional<Sha256>& digest) {
    auto parsed = list::parse_record(source.name, source.buf);
    const auto malformed = [&](const Error& error) {
        tell(codes::kRecordMalformed, "a record that is malformed: " + printable(error.what));
    };
    if (!parsed) {
        malformed(parsed.error());
        model_->finish();
        keys_.changed(*model_, nullptr, number_);
        return;
    }
    parts_.complete(*parsed);
    take_dropped(*parsed);
    if (auto* payload = std::get_if<list::Payload>(&*parsed)) {
        payload->digest = digest ? *digest : sha256(payload->bytes);
        if (keys_.is_beyond_bounds(*payload)) return drop(*payload);
    }
    std::visit([this](const auto& one) { say(one); }, *parsed);
    const auto applied = model_->apply(*parsed, source);
    if (const auto* begin = std::get_if<list::BaselineBegin>(&*parsed))
        keys_.baseline(*model_, *begin);
    const list::KeyFacts* facts = nullptr;
    if (const auto* event = std::get_if<list::Event>(&*parsed)) facts = &event->key;
    if (const auto* baseline = std::get_if<list::Baseline>(&*parsed)) facts = &baseline->key;
    keys_.changed(*model_, facts, number_);
    if (!applied) malformed(applied.error());
}

void Judge::drop(const list::Payload& payload) {
    dropped_ = {payload.keyring, *payload.digest, number_};
    model_->finish();
    keys_.changed(*model_, nullptr, number_);
}

/// The record behind a payload that was dropped says whose it is, and has the digest.
void Judge::take_dropped(list::Record& record) {
    if (!dropped_) return;
    auto* event = std::get_if<list::Event>(&record);
    if (event != nullptr && event->plain && event->sha256 == dropped_->digest &&
        dropped_->keyring == list::ima_event_name(event->key.keyring.name))
        event->plain = false;
    else
        keys_.tell_beyond_bounds(dropped_->keyring, dropped_->entry);
    dropped_.reset();
}

void Judge::say(const list::Start& start) {
    if (!start.again && claims_.started) tell(codes::kListStart, "the list begins a second time");
    if (start.kexec) {
        if (start.boot_id == claims_.boot_id)
            tell(codes::kListStart, "another kernel by kexec that has the former one's boot_id");
        ++claims_.kexecs;
        claims_.begins_elsewhere = true;
        claims_.former_boot_ids.push_back(claims_.boot_id);
        findings_.add(codes::kKexec, policy_.host.allow_kexec,
                      "another kernel was started by kexec, and goes on with the list: from the "
                      "former daemon's end until then nobody recorded",
                      in_list(number_));
    } else if (start.again) {
        ++claims_.restarts;
        findings_.add(codes::kRestarted, policy_.host.allow_restart,
                      "the daemon was restarted: for a while nobody wrote down what happened",
                      in_list(number_));
    }
    if (claims_.started && !start.kexec && start.boot_id != claims_.boot_id)
        tell(codes::kBootId, "the list goes on in another boot than it began in");
    claims_.version = start.version;
    claims_.kernel = start.kernel;
    claims_.boot_id = start.boot_id;
    claims_.started = true;
    const auto expect = [&](const auto& expected, Bytes found, const Code& code, const char* what) {
        if (expected.empty() || std::ranges::any_of(expected, [&](const auto& digest) {
                return std::ranges::equal(digest, found);
            }))
            return;
        tell(code, std::string(what) + " is not an expected one: SHA-256 " + to_hex(found));
    };
    expect(policy_.host.controllers, start.controller, codes::kControllerUnexpected, "the daemon");
    expect(policy_.host.bpf, start.bpf, codes::kBpfUnexpected, "the BPF object");
}

void Judge::say(const list::Policy& policy) {
    const std::string found = to_hex(policy.digest);
    const auto& expected = policy_.host.policies;
    const bool known = std::ranges::any_of(
        expected, [&](const auto& one) { return std::ranges::equal(one, policy.digest); });
    if (!expected.empty() && !known)
        tell(codes::kPolicyUnexpected, "the policy is not an expected one: SHA-256 " + found);
    if (expected.empty() && policy_seen_ && found != claims_.policy &&
        !policy_.host.allow_policy_change)
        tell(codes::kPolicyUnexpected, "the policy was changed: SHA-256 " + found);
    claims_.policy = found;
    policy_seen_ = true;
    keys_.policy(policy);
}

void Judge::say(const list::BaselineBegin&) { baseline_begun_ = true; }

void Judge::say(const list::BaselineEnd& end) {
    if (!baseline_begun_) tell(codes::kRecordMalformed, "a baseline that ends and did not begin");
    baseline_begun_ = false;
    const std::uint64_t appeared = end.appeared.value_or(0), vanished = end.vanished.value_or(0);
    if (appeared != 0 || vanished != 0)
        findings_.add(codes::kBaselineDiffers, policy_.host.allow_restart,
                      "while nobody recorded, " + std::to_string(appeared) + " keys appeared and " +
                          std::to_string(vanished) + " vanished",
                      in_list(number_));
}

// What makes the list incomplete.

void Judge::say(const list::Loss& loss) {
    tell(codes::kEventsLost,
         std::to_string(loss.count) + " key events were lost: the ring was full");
}

void Judge::say(const list::Missed& missed) {
    tell(codes::kEventsMissed,
         "the kernel skipped " + std::to_string(missed.count) + " runs of a program" +
             (missed.operations.empty() ? "" : " of: " + printable(missed.operations)));
}

void Judge::say(const list::Drop& drop) {
    if (drop.reason == "budget" && drop.uid) {
        auto [at, is_first] = over_budget_.try_emplace(*drop.uid, OverBudget{0, number_});
        at->second.count += drop.count;
        return;
    }
    tell(codes::kEventsDropped,
         (drop.count == 0 ? "an unknown number of" : std::to_string(drop.count)) +
             " key events were given up while they waited");
}

/// A user who fills the list with keyrings of their own harms nobody else: the host is no worse.
void Judge::tell_over_budget() {
    std::set<std::uint32_t> users;
    for (const auto& [uid, over] : over_budget_) users.insert(uid);
    const auto judged = keys_.judged_users(*model_, users);
    for (const auto& [uid, over] : over_budget_)
        findings_.add(codes::kEventsDropped, !judged.contains(uid),
                      std::to_string(over.count) +
                          " events of keyrings and keys of the user with the number " +
                          std::to_string(uid) + " were given up: they would have filled the list" +
                          (judged.contains(uid) ? "" : "; none of these is judged"),
                      in_list(over.entry));
}

void Judge::say(const list::Foreign&) {
    if (explained_foreign_ == number_) {
        claims_.start_explained = true;
        return findings_.add(
            codes::kForeignExtend, true,
            "the PCR did not begin with zeros: what the boot loader and systemd measured into it, "
            "or the list that is kept of the kernel before a kexec, explains its value, and the "
            "quote covers the whole list",
            in_list(number_));
    }
    claims_.begins_elsewhere = true;
    tell(codes::kForeignExtend,
         "somebody else extended the PCR, or a kexec came before and the list of the kernel before "
         "it is gone: what stands before this entry is not covered by the quote");
}

void Judge::say(const list::Tampered& tampered) {
    tell(codes::kTampered,
         "the list or spool was changed on the host: " + printable(tampered.what));
}

void Judge::say(const list::TpmChange& change) {
    tell(codes::kTpmReset,
         "what the PCR had was extended a second time: " + printable(change.what));
}

void Judge::say(const list::Detached& detached) {
    tell(codes::kDetached, "the recording was interfered with: " + printable(detached.what));
}

void Judge::say(const list::Canary& canary) {
    if (std::ranges::equal(canary.nonce, nonce_)) canary_seen_ = true;
}

void Judge::say(const list::Unknown& unknown) {
    tell(codes::kRecordUnknown,
         "a record of an unknown kind: " + printable(list::record_name(unknown.kind)));
}

void Judge::finish(const FirmwareKeys& firmware) {
    if (dropped_) keys_.tell_beyond_bounds(dropped_->keyring, dropped_->entry);
    model_->finish();
    keys_.changed(*model_, nullptr, number_);
    if (empty_)
        findings_.add(codes::kListStart, "the list is empty");
    else if (!claims_.started)
        findings_.add(codes::kListStart, "nothing in the list says who is speaking");
    if (!empty_ && !policy_seen_)
        findings_.add(codes::kPolicyMissing, "no policy was in force: nothing was measured");
    if (policy_.host.require_canary && !canary_seen_)
        findings_.add(codes::kCanaryMissing,
                      "no record says that capture worked after this nonce was chosen: the host is "
                      "to collect with keyscribe evidence --canary");
    tell_over_budget();
    keys_.finish(*model_, firmware);
}

}  // namespace keyscribe::appraise
