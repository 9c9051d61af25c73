// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/visit.h"

#include <algorithm>

#include "controller/base/base64.h"
#include "controller/service/verifier/appraised.h"
#include "controller/service/verifier/fingerprint.h"
#include "controller/service/verifier/seen_keys.h"
#include "controller/service/verifier/tpm_keys.h"

namespace keyscribe::verifier {

using appraise::Appraisal;
using appraise::QuoteClaims;
using Buffer = std::vector<std::uint8_t>;

/// What came, and what it is judged by.
struct Visits::Piece {
    Bytes nonce;
    const evidence::Evidence& evidence;
    BasisPtr basis;
    std::int64_t time = 0;
};

namespace {

/// How often a visit is judged that another one of the same host overtook.
constexpr int kVisitAttempts = 3;

TpmClock clock_of(const QuoteClaims& claims) {
    return {claims.reset_count, claims.restart_count, claims.clock};
}

Problem start_over(std::string detail) {
    return {.status = 409,
            .word = "since",
            .title = "The evidence does not begin where what is kept ends",
            .detail = std::move(detail)};
}

Problem replayed() {
    return {.status = 409,
            .word = "replayed",
            .title = "The quote is not later than the last one of this host"};
}

bool has_code(const Appraisal& appraisal, std::initializer_list<std::string_view> codes) {
    return std::ranges::any_of(appraisal.findings, [&](const appraise::Finding& finding) {
        return finding.weight == appraise::Weight::kUnusable &&
               std::ranges::find(codes, finding.code) != codes.end();
    });
}

Problem unusable(const Appraisal& appraisal) {
    // The host has only to send the whole list: that is no reason against it.
    if (has_code(appraisal, {"state-missing", "state-gap", "state-unreadable"}))
        return start_over("send the whole list");
    Problem problem{
        .status = 422, .word = "evidence-unusable", .title = "The evidence is unusable"};
    problem.more["findings"] = reasons_of(appraisal);
    if (!problem.more["findings"].empty())
        problem.detail = problem.more["findings"][0]["sentence"].get<std::string>();
    return problem;
}

bool starts_with(Bytes bytes, Bytes head) {
    return bytes.size() >= head.size() && std::ranges::equal(bytes.first(head.size()), head);
}

}  // namespace

Answer<HostRow> Visits::take(Bytes nonce, Bytes encoded) {
    const std::int64_t time = now();
    if (!nonces_.is_good(nonce, now_ms()))
        return std::unexpected(Problem{.status = 404,
                                       .word = "unknown-session",
                                       .title = "There is no such session, or it has expired"});
    const auto document = evidence::decode(encoded);
    if (!document)
        return std::unexpected(Problem{.status = 400,
                                       .word = "evidence-malformed",
                                       .title = "Not evidence",
                                       .detail = to_string(document.error())});
    const evidence::Evidence& evidence = document->evidence;
    const auto spki = public_key_der(evidence.ak, "ak");
    const std::string ak = spki ? to_hex(sha256(*spki)) : std::string();
    for (int attempt = 0; attempt < kVisitAttempts; ++attempt) {
        const auto host = find_host_by_ak(database_, ak);
        if (!host) return std::unexpected(problem_of(host.error()));
        if (!*host) {
            ++counters_.refused;
            return std::unexpected(
                Problem{.status = 403,
                        .word = "unknown-host",
                        .title = "The attestation key is of no host that was accepted"});
        }
        const auto last = nonces_.time_of(from_base64url((*host)->last_nonce).value_or(Buffer()));
        if (last && *nonces_.time_of(nonce) <= *last) return refuse(**host, replayed());
        const auto basis = references_.basis((*host)->group, (*host)->epoch, time);
        if (!basis && is_of_store(basis.error())) return std::unexpected(problem_of(basis.error()));
        if (!basis)
            return std::unexpected(Problem{.status = 503,
                                           .word = "basis",
                                           .title = "The group's reference values do not fit",
                                           .detail = to_string(basis.error()),
                                           .retry_after = 60});
        auto answer = take_known({nonce, evidence, *basis, time}, **host);
        if (answer || answer.error().word != "overtaken") return answer;
    }
    return std::unexpected(Problem{.status = 429,
                                   .word = "busy",
                                   .title = "Other visits of this host come in between",
                                   .retry_after = 1});
}

Answer<HostRow> Visits::take_known(const Piece& piece, const HostRow& host) {
    const evidence::Evidence& evidence = piece.evidence;
    const evidence::List& list = evidence.list;
    const bool goes_on = list.from_entry != 0 || (evidence.ima && evidence.ima->from_entry != 0);
    if (goes_on && (host.generation == 0 || host.boot_id != evidence.boot_id ||
                    (list.from_entry != 0 && list.from_entry != host.entries) ||
                    (evidence.ima && evidence.ima->from_entry != 0 &&
                     evidence.ima->from_entry != host.ima_entries)))
        return refuse(host,
                      start_over("what is kept ends at entry " + std::to_string(host.entries) +
                                 " of boot \"" + host.boot_id + '"'));
    const bool nothing_new =
        list.from_entry != 0 && list.data.empty() && (!evidence.ima || evidence.ima->data.empty());
    // A canary for this nonce would be new.
    const bool may_stay = nothing_new && !piece.basis->basis.policy.host.require_canary;
    if (may_stay && host.basis == piece.basis->id && piece.time < host.judge_again)
        if (auto answer = take_unchanged(piece, host); answer || answer.error().word != "changed")
            return answer;
    return take_changed(piece, host);
}

/// The problem "changed": it is not what was judged, after all.
Answer<HostRow> Visits::take_unchanged(const Piece& piece, const HostRow& host) {
    const auto changed = std::unexpected(Problem{.word = "changed"});
    const auto key = appraise::AttestationKey::parse(as_text(host.ak_key), host.name);
    if (!key) return changed;
    std::optional<QuoteClaims> first, last;
    appraise::Findings findings;
    for (const evidence::Quote& quote : piece.evidence.quotes) {
        auto claims = verify_quote(quote, *key, piece.nonce, findings);
        if (!claims || (first && (claims->reset_count != first->reset_count ||
                                  claims->restart_count != first->restart_count)))
            return changed;  // the whole appraisal says what is wrong with it
        if (!first) first = claims;
        last = std::move(claims);
    }
    if (!first || fingerprint_of(piece.evidence, *first) != host.fingerprint) return changed;
    if (clock_of(*first) <= host.clock) return refuse(host, replayed());
    HostRow next = host;
    next.clock = clock_of(*first);
    next.last_nonce = to_base64url(piece.nonce);
    next.last_seen = piece.time;
    next.deadline = piece.time + settings_.attest.silent_after;
    auto answer = commit(host, std::move(next), {});
    if (answer) ++counters_.unchanged;
    return answer;
}

Answer<HostRow> Visits::take_changed(const Piece& piece, const HostRow& host) {
    // After a new attestation key was proven nothing of before counts.
    const bool kept = host.list_bytes != 0;
    const auto key = appraise::AttestationKey::parse(as_text(host.ak_key), host.name);
    if (!key) return std::unexpected(problem_of(key.error()));
    // Where the host sends what is new, the records that matter of what was before are enough.
    if (kept && piece.evidence.list.from_entry != 0) {
        const auto loaded = load_snapshot(database_, host, Load::kRecords);
        if (!loaded) return std::unexpected(problem_of(loaded.error()));
        if (!*loaded) return std::unexpected(Problem{.word = "overtaken"});
        const Snapshot& snapshot = **loaded;
        if (const auto state = state_of(snapshot, host)) {
            const Appraisal appraisal = appraise::appraise(piece.evidence,
                                                           {.nonce = piece.nonce,
                                                            .keys = {&*key, 1},
                                                            .now = piece.time,
                                                            .snapshot = &*state,
                                                            .signatures = &signatures_},
                                                           piece.basis->basis);
            if (!appraisal.next || starts_with(appraisal.next->state.ima, snapshot.ima))
                return take_appraised(piece, host, appraisal, snapshot.ima.size());
        }
    }
    const auto snapshot = kept ? load_snapshot(database_, host) : std::optional<Snapshot>();
    if (!snapshot) return std::unexpected(problem_of(snapshot.error()));
    if (kept && !*snapshot) return std::unexpected(Problem{.word = "overtaken"});
    const Buffer state = kept ? state_file(**snapshot) : Buffer();
    const Appraisal appraisal = appraise::appraise(piece.evidence,
                                                   {.nonce = piece.nonce,
                                                    .keys = {&*key, 1},
                                                    .now = piece.time,
                                                    .state = state,
                                                    .signatures = &signatures_},
                                                   piece.basis->basis);
    std::optional<std::size_t> appended;
    // Appended where the lists go on from what is kept; else they begin anew.
    if (kept && appraisal.next && starts_with(appraisal.next->state.ima, (*snapshot)->ima) &&
        (!appraisal.next->kept.empty() || starts_with(appraisal.next->added, (*snapshot)->list)))
        appended = (*snapshot)->ima.size();
    return take_appraised(piece, host, appraisal, appended);
}

/// `appended`: bytes of the kernel's list that are kept, of a host whose lists go on from there;
/// nothing: they begin anew.
Answer<HostRow> Visits::take_appraised(const Piece& piece, const HostRow& host,
                                       const Appraisal& appraisal,
                                       std::optional<std::size_t> appended) {
    if (appraisal.claims && clock_of(*appraisal.claims) <= host.clock)
        return refuse(host, replayed());
    if (appraisal.verdict == appraise::Verdict::kUnusable || !appraisal.next)
        return refuse(host, unusable(appraisal));

    const Appraisal::Next& new_state = *appraisal.next;
    const Bytes ima = new_state.state.ima;
    // The whole list came again, and what is kept of it lies in the database already.
    const std::size_t again = appended && new_state.before == 0 && new_state.kept.empty()
                                  ? static_cast<std::size_t>(host.list_bytes)
                                  : 0;
    const ListPieces added{.list = new_state.added.subspan(again),
                           .ima = ima.subspan(appended.value_or(0))};
    HostRow next = host;
    if (!appended) ++next.generation;
    next.clock = clock_of(*appraisal.claims);
    next.boot_id = new_state.state.boot_id;
    next.entries = new_state.state.entries;
    next.list_bytes = new_state.state.bytes;
    next.ima_entries = new_state.state.ima_entries;
    next.ima_bytes = ima.size();
    next.basis = piece.basis->id;
    next.verdict_until = std::min(piece.basis->until, appraisal.until);
    next.judge_again = std::min(piece.time + settings_.attest.judge_again, next.verdict_until);
    // Entries that no quote covers are to be judged by the next visit: it has something new.
    next.fingerprint = appraisal.entries_beyond == 0
                           ? fingerprint_of(piece.evidence, *appraisal.claims)
                           : std::string();
    next.last_nonce = to_base64url(piece.nonce);
    next.last_seen = piece.time;
    next.deadline = piece.time + settings_.attest.silent_after;
    const Snapshot taken{.state = new_state.header(),
                         .shell = shell_of(piece.evidence),
                         .nonce = next.last_nonce,
                         .taken = piece.time,
                         .summary = summary_of(appraisal, host.name),
                         .records = new_state.snapshot(piece.nonce).value_or(Buffer())};
    // What the model's offsets count in.
    const Bytes before = new_state.before == 0 ? new_state.kept : new_state.extract;
    Buffer list(before.begin(), before.end());
    list.insert(list.end(), new_state.added.begin(), new_state.added.end());
    const std::vector<SeenKey> keys = seen_keys(appraisal, list);
    const std::string verdict(name_of(appraisal.verdict));
    const nlohmann::json reasons = reasons_of(appraisal);
    next.verdict = verdict;
    if (verdict != host.verdict) next.verdict_since = piece.time;
    auto answer = commit(host, next, [&](soci::session& session) -> Result<void> {
        write_snapshot(session, host, next, taken, added);
        write_seen_keys(session, changes_, host, keys);
        tell_verdict(session, host, verdict, {{"reasons", reasons}});
        return {};
    });
    if (answer) ++counters_.judged;
    return answer;
}

void Visits::tell_verdict(soci::session& session, const HostRow& former, const std::string& verdict,
                          const nlohmann::json& detail) const {
    if (verdict == former.verdict) return;
    changes_.add(session, {.host = former.id,
                           .name = former.name,
                           .kind = "verdict",
                           .former = former.verdict,
                           .latter = verdict,
                           .detail = detail});
}

/// The problem "overtaken": another process wrote this host since it was read.
Answer<HostRow> Visits::commit(const HostRow& former, HostRow next, const Work& more) {
    next.silent = false;
    bool written = false;
    const auto done = database_.write([&](soci::session& session) -> Result<void> {
        written = replace_host(session, former, next);
        if (!written) return {};
        if (former.silent)
            changes_.add(session, {.host = former.id,
                                   .name = former.name,
                                   .kind = "heard",
                                   .former = "silent",
                                   .latter = next.verdict});
        return more ? more(session) : Result<void>();
    });
    if (!done) return std::unexpected(problem_of(done.error()));
    if (!written) return std::unexpected(Problem{.word = "overtaken"});
    return next;
}

std::unexpected<Problem> Visits::refuse(const HostRow& host, Problem problem) {
    ++counters_.refused;
    // A counter that cannot be written is no reason to answer something else.
    (void)count_refusal(database_, host.id);
    return std::unexpected(std::move(problem));
}

}  // namespace keyscribe::verifier
