// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/enrolment.h"

#include <soci/soci.h>

#include <algorithm>

#include "controller/base/base64.h"
#include "controller/service/appraise/quote.h"
#include "controller/service/verifier/credential.h"
#include "controller/service/verifier/tpm_keys.h"

namespace keyscribe::verifier {

using nlohmann::json;

struct Enrolments::Row {
    std::string id, host, name, group, ek, ek_trust, ak, ak_key, credential, state, reason, token;
    long long created = 0, expires = 0;
};

namespace {

constexpr std::int64_t kProofTime = 600;          // seconds in which the credential must come back
constexpr long long kKeepDecided = 30LL * 86400;  // seconds in which the host asks how it went
constexpr long long kHour = 3600;
constexpr std::size_t kMaxChain = 8;

const char* const kColumns =
    "select id, host, name, grp, ek, ek_trust, ak, ak_key, credential, state, reason, created, "
    "expires from enrolments where tenant = :tenant and id = :id";

template <class Row>
bool read_row(soci::session& session, const std::string& id, Row& row) {
    session << kColumns, soci::use(kTenant), soci::use(id), soci::into(row.id),
        soci::into(row.host), soci::into(row.name), soci::into(row.group), soci::into(row.ek),
        soci::into(row.ek_trust), soci::into(row.ak), soci::into(row.ak_key),
        soci::into(row.credential), soci::into(row.state), soci::into(row.reason),
        soci::into(row.created), soci::into(row.expires);
    return session.got_data();
}

template <class Row>
json public_json(const Row& row) {
    return {{"id", row.id}, {"state", row.state}, {"host", row.host}, {"reason", row.reason}};
}

std::unexpected<Problem> refuse(unsigned status, std::string word, std::string title,
                                std::string detail = {}) {
    return std::unexpected(Problem{.status = status,
                                   .word = std::move(word),
                                   .title = std::move(title),
                                   .detail = std::move(detail)});
}

std::unexpected<Problem> malformed(const std::string& detail) {
    return refuse(400, "enrolment-malformed", "The enrolment cannot be read", detail);
}

std::unexpected<Problem> unknown() {
    return refuse(404, "unknown-enrolment", "There is no such enrolment, or it has expired");
}

bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= 253 && std::ranges::all_of(name, [](char letter) {
        return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
               (letter >= '0' && letter <= '9') || letter == '.' || letter == '_' || letter == '-';
    });
}

std::optional<std::vector<std::uint8_t>> base64_member(const json& object, const char* name) {
    const auto member = object.find(name);
    if (member == object.end() || !member->is_string()) return std::nullopt;
    return from_base64(member->get_ref<const std::string&>());
}

/// What a host sends to enrol, checked.
struct Sent {
    std::string token, name;
    TPMT_PUBLIC ek{};
    std::vector<std::uint8_t> ek_spki, ek_certificate, ak_spki, ak_name;
    std::vector<std::vector<std::uint8_t>> chain;
};

Answer<Sent> read_sent(const json& body) {
    if (!body.is_object()) return malformed("not a JSON object");
    Sent sent;
    for (auto [member, to] : {std::pair{"token", &sent.token}, std::pair{"name", &sent.name}}) {
        if (!body.contains(member) || !body[member].is_string())
            return malformed(std::string(member) + " is no text");
        *to = body[member].get<std::string>();
    }
    if (!is_name(sent.name)) return malformed("name has 1 to 253 letters of [A-Za-z0-9._-]");
    for (const char* member : {"ek", "ak"})
        if (!body.contains(member) || !body[member].is_object())
            return malformed(std::string(member) + " is no object");
    const auto ek_public = base64_member(body["ek"], "public");
    const auto ak_public = base64_member(body["ak"], "public");
    if (!ek_public || !ak_public) return malformed("ek.public or ak.public is not Base64");
    if (body["ek"].contains("certificate")) {
        auto certificate = base64_member(body["ek"], "certificate");
        if (!certificate) return malformed("ek.certificate is not Base64");
        sent.ek_certificate = std::move(*certificate);
    }
    if (body["ek"].contains("chain")) {
        const json& chain = body["ek"]["chain"];
        if (!chain.is_array() || chain.size() > kMaxChain)
            return malformed("ek.chain is no list of at most 8 certificates");
        for (const json& one : chain) {
            auto der =
                one.is_string() ? from_base64(one.get_ref<const std::string&>()) : std::nullopt;
            if (!der) return malformed("ek.chain is not Base64");
            sent.chain.push_back(std::move(*der));
        }
    }
    const auto ek = parse_tpm2b_public(*ek_public, "ek.public");
    if (!ek) return malformed(to_string(ek.error()));
    sent.ek = *ek;
    if (const auto good = check_endorsement_key(*ek); !good)
        return refuse(422, "ek", "Not an endorsement key", to_string(good.error()));
    auto ek_spki = public_key_der(*ek, "ek.public");
    if (!ek_spki) return refuse(422, "ek", "Not an endorsement key", to_string(ek_spki.error()));
    sent.ek_spki = std::move(*ek_spki);

    const auto ak = parse_tpm2b_public(*ak_public, "ak.public");
    if (!ak) return malformed(to_string(ak.error()));
    // Behind its size: parse_tpm2b_public() has seen that nothing else is there.
    const auto found = appraise::parse_public(Bytes(*ak_public).subspan(2));
    auto ak_spki = public_key_der(*ak, "ak.public");
    if (!found || !ak_spki)
        return refuse(422, "ak", "Not an attestation key",
                      to_string(found ? ak_spki.error() : found.error()));
    if (!found->restricted_signing)
        return refuse(422, "ak", "Not an attestation key",
                      "it can sign what its TPM did not make: it is " + found->lacking);
    sent.ak_spki = std::move(*ak_spki);
    sent.ak_name = found->name;
    return sent;
}

}  // namespace

Answer<json> Enrolments::begin(const json& body) {
    const auto sent = read_sent(body);
    if (!sent) return std::unexpected(sent.error());
    const auto token = find_token(database_, sent->token);
    if (!token) return std::unexpected(problem_of(token.error()));
    if (!*token || (*token)->role != "enrol")
        return refuse(403, "token", "The enrolment token is not known, or has expired");
    const auto trust = trust_.judge(sent->ek_spki, sent->ek_certificate, sent->chain);
    if (!trust)
        return refuse(422, "ek", "The endorsement key's certificate", to_string(trust.error()));

    const Sha256 value = random_bytes();
    const auto credential = make_credential(sent->ek, sent->ak_name, value);
    if (!credential)
        return refuse(422, "ek", "Not an endorsement key", to_string(credential.error()));
    const std::int64_t time = now();
    const std::string ek = to_hex(sha256(sent->ek_spki));
    const Row row{.id = random_id(),
                  .host = ek.substr(0, 32),
                  .name = sent->name,
                  .group = (*token)->group,
                  .ek = ek,
                  .ek_trust = trust->value_or(settings_.enrol.known_by_token ? "token" : ""),
                  .ak = to_hex(sha256(sent->ak_spki)),
                  .ak_key = to_base64(sent->ak_spki),
                  .credential = to_hex(sha256(value)),
                  .state = "challenged",
                  .token = token_id(sent->token),
                  .created = time,
                  .expires = time + kProofTime};
    std::optional<Problem> full;
    const auto done = database_.write([&](soci::session& session) -> Result<void> {
        full = too_many(session, row);
        if (full) return {};
        session << "insert into enrolments (tenant, id, host, name, grp, ek, ek_trust, ak, ak_key, "
                   "credential, state, reason, created, expires, token) values (:tenant, :id, "
                   ":host, :name, :grp, :ek, :ek_trust, :ak, :ak_key, :credential, :state, '', "
                   ":created, :expires, :token)",
            soci::use(kTenant), soci::use(row.id), soci::use(row.host), soci::use(row.name),
            soci::use(row.group), soci::use(row.ek), soci::use(row.ek_trust), soci::use(row.ak),
            soci::use(row.ak_key), soci::use(row.credential), soci::use(row.state),
            soci::use(row.created), soci::use(row.expires), soci::use(row.token);
        return {};
    });
    if (!done) return std::unexpected(problem_of(done.error()));
    if (full) return std::unexpected(std::move(*full));
    return json{{"id", row.id},
                {"credential", to_base64(credential->blob)},
                {"secret", to_base64(credential->secret)},
                {"expires", time_text(row.expires)}};
}

/// Whether one more is over a limit: of all that wait, of those of its token, of those of its
/// endorsement key.
std::optional<Problem> Enrolments::too_many(soci::session& session, const Row& row) const {
    const auto& limits = settings_.limits;
    const auto full = [](const char* title, unsigned retry_after) {
        return Problem{
            .status = 429, .word = "enrolments-full", .title = title, .retry_after = retry_after};
    };
    long long all = 0, of_token = 0, of_ek = 0;
    const long long hour_ago = row.created - kHour;
    session << "select count(*) from enrolments where tenant = :tenant and (state = 'waiting' or "
               "(state = 'challenged' and expires > :now))",
        soci::use(kTenant), soci::use(row.created), soci::into(all);
    session << "select count(*) from enrolments where tenant = :tenant and token = :token and "
               "(state = 'waiting' or (state = 'challenged' and expires > :now) or (state = "
               "'refused' and created > :then))",
        soci::use(kTenant), soci::use(row.token), soci::use(row.created), soci::use(hour_ago),
        soci::into(of_token);
    if (all >= limits.waiting_enrolments)
        return full("Too many enrolments wait for an operator", 60);
    if (of_token >= limits.enrolments_for_token)
        return full("Too many enrolments of this token wait for an operator", 60);
    session
        << "select count(*) from enrolments where tenant = :tenant and host = :host and created "
           "> :then",
        soci::use(kTenant), soci::use(row.host), soci::use(hour_ago), soci::into(of_ek);
    if (of_ek >= limits.enrolments_for_ek)
        return full("Too many enrolments of this endorsement key in an hour", kHour / 4);
    return std::nullopt;
}

Answer<json> Enrolments::activate(const std::string& id, Bytes credential) {
    Row row;
    bool found = false, wrong = false;
    const auto done = database_.write([&](soci::session& session) -> Result<void> {
        found = read_row(session, id, row) && row.expires > now();
        if (!found || row.state != "challenged") return {};
        // Digests of random bytes: how far they agree tells nothing.
        wrong = to_hex(sha256(credential)) != row.credential;
        if (wrong) {
            row.state = "refused";
            row.reason = "not what the credential holds: the attestation key is not in this TPM";
        }
        long long known = 0;
        session << "select count(*) from hosts where tenant = :tenant and id = :host and ek = :ek "
                   "and grp = :grp",
            soci::use(kTenant), soci::use(row.host), soci::use(row.ek), soci::use(row.group),
            soci::into(known);
        // Whoever was accepted once and proves the same endorsement key needs nobody again. In
        // another group it is judged by other references, which its own token does not decide.
        const std::string by = known != 0 ? "known" : row.ek_trust;
        if (!wrong) row.state = by.empty() ? "waiting" : "accepted";
        if (!wrong && by.empty())
            row.reason = "no certificate chain of a known CA: an operator decides";
        long long changed = 0;
        const long long expires = row.state == "waiting"    ? kNever
                                  : row.state == "accepted" ? now() + kKeepDecided
                                                            : now() + kHour;
        {
            soci::statement update =
                (session.prepare
                     << "update enrolments set state = :state, reason = :reason, "
                        "credential = '', expires = :expires where tenant = :tenant and "
                        "id = :id and state = 'challenged'",
                 soci::use(row.state), soci::use(row.reason), soci::use(expires),
                 soci::use(kTenant), soci::use(id));
            update.execute(true);
            changed = update.get_affected_rows();
        }
        if (changed != 1 || wrong) return {};
        if (row.state == "accepted") return accept(session, row, by);
        // An earlier one of this key that still waits is what the host has given up.
        session << "delete from enrolments where tenant = :tenant and host = :host and state = "
                   "'waiting' and id <> :id",
            soci::use(kTenant), soci::use(row.host), soci::use(id);
        changes_.add(session, {.host = row.host, .name = row.name, .kind = "waiting"});
        return {};
    });
    if (!done) return std::unexpected(problem_of(done.error()));
    if (!found) return unknown();
    if (wrong) return refuse(403, "credential", "The attestation key was not proven", row.reason);
    return public_json(row);
}

Result<void> Enrolments::accept(soci::session& session, const Row& row, const std::string& by) {
    const std::string& tenant = kTenant;
    const long long time = now();
    const long long deadline = time + settings_.attest.silent_after;
    const Change enrolled{.host = row.host,
                          .name = row.name,
                          .kind = "enrolled",
                          .latter = row.group,
                          .detail = {{"by", by}, {"attestation_key", row.ak}}};
    std::string verdict, ak, group;
    session << "select verdict, ak, grp from hosts where tenant = :tenant and id = :host",
        soci::use(tenant), soci::use(row.host), soci::into(verdict), soci::into(ak),
        soci::into(group);
    if (!session.got_data()) verdict = "none";
    if (ak == row.ak && group == row.group) {  // the same again, by another name perhaps
        session << "update hosts set name = :name where tenant = :tenant and id = :host",
            soci::use(row.name), soci::use(tenant), soci::use(row.host);
        changes_.add(session, enrolled);
        return {};
    }
    // Another host has this key: no TPM gives one key to two.
    std::string other;
    session << "select id from hosts where tenant = :tenant and ak = :ak", soci::use(tenant),
        soci::use(row.ak), soci::into(other);
    if (session.got_data() && other != row.host)
        return fail("the attestation key belongs to host " + other, "enrolment");
    // Nothing of before counts under another key or in another group but the deadline: who enrols
    // again and again is not heard of by that.
    session << "insert into hosts (tenant, id, name, grp, ek, ak, ak_key, accepted_by, enrolled, "
               "revision, generation, verdict, verdict_since, silent, last_seen, deadline, "
               "reset_count, restart_count, clock, boot_id, entries, list_bytes, ima_entries, "
               "ima_bytes, fingerprint, basis, judge_again, last_nonce, refused) values (:tenant, "
               ":id, :name, :grp, :ek, :ak, :ak_key, :by, :enrolled, 0, 0, 'none', :enrolled2, 0, "
               "0, :deadline, 0, 0, 0, '', 0, 0, 0, 0, '', '', 0, '', 0) on conflict (tenant, id) "
               "do update set name = excluded.name, grp = excluded.grp, ak = excluded.ak, ak_key = "
               "excluded.ak_key, revision = hosts.revision + 1, verdict = 'none', verdict_since = "
               "excluded.verdict_since, reset_count = 0, restart_count = 0, clock = 0, boot_id = "
               "'', entries = 0, list_bytes = 0, ima_entries = 0, ima_bytes = 0, fingerprint = '', "
               "basis = ''",
        soci::use(tenant), soci::use(row.host), soci::use(row.name), soci::use(row.group),
        soci::use(row.ek), soci::use(row.ak), soci::use(row.ak_key), soci::use(by), soci::use(time),
        soci::use(time), soci::use(deadline);
    changes_.add(session, enrolled);
    if (verdict != "none")
        changes_.add(session, {.host = row.host,
                               .name = row.name,
                               .kind = "verdict",
                               .former = verdict,
                               .latter = "none",
                               .detail = {{"by", "enrolment"}}});
    return {};
}

Answer<json> Enrolments::show(const std::string& id) {
    Row row;
    bool found = false;
    const auto done = database_.read([&](soci::session& session) -> Result<void> {
        found = read_row(session, id, row) && row.expires > now();
        return {};
    });
    if (!done) return std::unexpected(problem_of(done.error()));
    if (!found) return unknown();
    return public_json(row);
}

Answer<json> Enrolments::decide(const std::string& id, bool accepted, const std::string& who,
                                const std::string& reason) {
    Row row;
    bool found = false, waiting = false;
    const auto done = database_.write([&](soci::session& session) -> Result<void> {
        found = read_row(session, id, row);
        if (!found) return {};
        row.state = accepted ? "accepted" : "refused";
        row.reason = reason;
        const long long expires = now() + kKeepDecided;
        soci::statement update =
            (session.prepare << "update enrolments set state = :state, reason = :reason, expires = "
                                ":expires where tenant = :tenant and id = :id and state = "
                                "'waiting'",
             soci::use(row.state), soci::use(row.reason), soci::use(expires), soci::use(kTenant),
             soci::use(id));
        update.execute(true);
        waiting = update.get_affected_rows() == 1;
        return waiting && accepted ? accept(session, row, "operator: " + who) : Result<void>();
    });
    if (!done && done.error().where == "enrolment")
        return refuse(409, "enrolment", "It cannot be accepted", to_string(done.error()));
    if (!done) return std::unexpected(problem_of(done.error()));
    if (!found) return unknown();
    if (!waiting) return refuse(409, "enrolment", "This enrolment does not wait for an operator");
    return public_json(row);
}

Answer<json> Enrolments::list(const std::string& state) {
    json all = json::array();
    const auto done = database_.read([&](soci::session& session) -> Result<void> {
        Row row;
        soci::statement select =
            (session.prepare << "select id, host, name, grp, ek, ek_trust, ak, state, reason, "
                                "created from enrolments where tenant = :tenant and (state = "
                                ":state or :all = '') order by created, id limit 1000",
             soci::use(kTenant), soci::use(state), soci::use(state), soci::into(row.id),
             soci::into(row.host), soci::into(row.name), soci::into(row.group), soci::into(row.ek),
             soci::into(row.ek_trust), soci::into(row.ak), soci::into(row.state),
             soci::into(row.reason), soci::into(row.created));
        for (select.execute(); select.fetch();) {
            json one = public_json(row);
            one.update({{"name", row.name},
                        {"group", row.group},
                        {"ek", row.ek},
                        {"ek_trust", row.ek_trust},
                        {"attestation_key", row.ak},
                        {"created", time_text(row.created)}});
            all.push_back(std::move(one));
        }
        return {};
    });
    if (!done) return std::unexpected(problem_of(done.error()));
    return all;
}

Result<void> Enrolments::sweep() {
    return database_.write([](soci::session& session) -> Result<void> {
        const long long time = now();
        session << "delete from enrolments where tenant = :tenant and expires < :now",
            soci::use(kTenant), soci::use(time);
        return {};
    });
}

}  // namespace keyscribe::verifier
