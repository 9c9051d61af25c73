// SPDX-License-Identifier: Apache-2.0
// A visit's part on hosts that are judged by another basis, without being asked for evidence.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "controller/base/base64.h"
#include "controller/service/verifier/appraised.h"
#include "controller/service/verifier/fingerprint.h"
#include "controller/service/verifier/visit.h"

namespace keyscribe::verifier {
namespace {

constexpr const char* kDamaged = "database";  // where an error is of what is kept

}  // namespace

Result<std::optional<Visits::Trial>> Visits::try_basis(const std::string& id,
                                                       const GroupBasis& basis) {
    auto host = find_host(database_, id);
    if (!host) return std::unexpected(host.error());
    if (!*host) return std::nullopt;
    return try_basis(std::move(**host), basis);
}

Result<std::optional<Visits::Trial>> Visits::try_basis(HostRow host, const GroupBasis& basis) {
    if (host.generation == 0 || host.list_bytes == 0) return std::nullopt;
    Trial trial{.host = std::move(host)};
    for (const Load load : {Load::kRecords, Load::kWhole}) {
        const auto snapshot = load_snapshot(database_, trial.host, load);
        if (!snapshot) return std::unexpected(snapshot.error());
        if (!*snapshot) return std::nullopt;
        if (auto done = judge_kept(trial, **snapshot, load, basis); !done || *done)
            return done ? Result<std::optional<Trial>>(std::move(trial))
                        : std::unexpected(done.error());
    }
    return std::nullopt;
}

/// By its records or its list. False: of the records that cannot be told.
Result<bool> Visits::judge_kept(Trial& trial, const Snapshot& snapshot, Load load,
                                const GroupBasis& basis) {
    const HostRow& host = trial.host;
    const auto state =
        load == Load::kRecords ? state_of(snapshot, host) : std::optional<appraise::KeptState>();
    if (load == Load::kRecords && !state) return false;
    const auto shell = evidence::decode(snapshot.shell);
    const auto nonce = from_base64url(snapshot.nonce);
    const auto key = appraise::AttestationKey::parse(as_text(host.ak_key), host.name);
    if (!shell || !nonce || !key)
        return fail("what is kept of host " + host.id + " is damaged", kDamaged);
    evidence::Evidence evidence = whole_evidence(shell->evidence, snapshot.list, host.entries,
                                                 snapshot.ima, host.ima_entries);
    if (state) {
        evidence.list.from_entry = host.entries;
        evidence.list.offset = host.list_bytes;
    }
    appraise::PcrBanks before_kexec;
    if (!state) before_kexec = before_kexec_of(snapshot);
    trial.appraisal = appraise::appraise(evidence,
                                         {.nonce = *nonce,
                                          .keys = {&*key, 1},
                                          .now = now(),
                                          .snapshot = state ? &*state : nullptr,
                                          .before_kexec = std::move(before_kexec),
                                          .signatures = &signatures_},
                                         basis.basis);
    // Views into what ends here.
    trial.appraisal.next.reset();
    return !state || trial.appraisal.verdict != appraise::Verdict::kUnusable;
}

Result<int> Visits::judge_again(std::span<const std::string> hosts) {
    struct Judged {
        HostRow former, next;
        std::string summary;
        nlohmann::json detail;
    };
    const auto epoch = references_.epoch();
    if (!epoch) return std::unexpected(epoch.error());
    std::vector<Judged> all;
    for (const std::string& id : hosts) {
        auto host = find_host(database_, id);
        if (!host) return std::unexpected(host.error());
        if (!*host) continue;
        const std::int64_t time = now();
        const auto basis = references_.basis((*host)->group, *epoch, time);
        if (!basis) return std::unexpected(basis.error());
        const HostRow former = std::move(**host);
        auto trial = try_basis(former, **basis);
        if (!trial && is_of_store(trial.error())) return std::unexpected(trial.error());
        if (!trial) spdlog::error("host {}: {}", id, to_string(trial.error()));
        const bool is_damaged = !trial && trial.error().where == kDamaged;
        if (!is_damaged && (!trial || !*trial)) continue;
        const appraise::Appraisal appraisal =
            is_damaged ? appraise::Appraisal() : std::move((*trial)->appraisal);
        HostRow next = former;
        next.basis = (*basis)->id;
        if (appraisal.verdict != appraise::Verdict::kUnusable) {
            next.verdict = name_of(appraisal.verdict);
            next.verdict_until = std::min((*basis)->until, appraisal.until);
            next.judge_again = std::min(time + settings_.attest.judge_again, next.verdict_until);
        } else {
            // What it had cannot be told any more. Its next visit is judged, with the list.
            next.verdict = "none";
            next.verdict_until = kNever;
            next.judge_again = 0;
        }
        if (next.verdict != former.verdict) next.verdict_since = time;
        all.push_back({former,
                       std::move(next),
                       summary_of(appraisal, former.name),
                       {{"reasons", reasons_of(appraisal)}, {"by", "references"}}});
    }
    int written = 0;
    if (all.empty()) return written;
    const auto done = database_.write([&](soci::session& session) -> Result<void> {
        written = 0;
        for (const Judged& one : all) {
            if (!replace_host(session, one.former, one.next)) continue;
            write_summary(session, one.former.id, one.summary);
            tell_verdict(session, one.former, one.next.verdict, one.detail);
            ++written;
        }
        return {};
    });
    if (!done) return std::unexpected(done.error());
    counters_.judged_again += static_cast<std::uint64_t>(written);
    return written;
}

}  // namespace keyscribe::verifier
