// SPDX-License-Identifier: Apache-2.0
// A fleet's hosts enrol and send evidence, on SQLite and on PostgreSQL.
#include <soci/soci.h>

#include <thread>

#include "controller/base/base64.h"
#include "controller/service/verifier/operator_queries.h"
#include "controller/service/verifier/rounds.h"
#include "controller/service/verifier/seen_keys.h"
#include "controller/service/verifier/visit.h"
#include "tests/support/setting.h"
#include "verifier_fleet.h"

namespace keyscribe::verifier {

std::string Fleet::changes() {
    const auto all = list_changes(*service_->database, 0, 1000);
    EXPECT_TRUE(all);
    std::string kinds;
    for (const auto& change : (*all)["changes"]) {
        const std::string kind = change["kind"];
        if (kind != "key") kinds += (kinds.empty() ? "" : " ") + kind;
        if (kind == "verdict") kinds += ":" + change["latter"].get<std::string>();
    }
    return kinds;
}

namespace {

using testing::Buffer;
using testing::FleetHost;
using testing::Host;

constexpr std::string_view kCanary = "[host]\nrequire_canary = true\n";

class FleetEnrolment : public Fleet {};
class FleetVisit : public Fleet {};
FLEET_ON_BOTH_ENGINES(FleetEnrolment);
FLEET_ON_BOTH_ENGINES(FleetVisit);

TEST_P(FleetEnrolment, WaitsForAnOperatorWhoseYesCounts) {
    const FleetHost host("web-1.example");
    const std::string id = prove(host);
    EXPECT_EQ((*service_->enrolments->show(id))["state"], "waiting");
    EXPECT_EQ(service_->enrolments->list("waiting")->size(), 1u);
    const auto done = service_->enrolments->decide(id, true, "me", "seen in the rack");
    ASSERT_TRUE(done);
    EXPECT_EQ((*done)["state"], "accepted");
    const auto row = find_host(*service_->database, (*done)["host"]);
    ASSERT_TRUE(row && *row);
    EXPECT_EQ((*row)->name, "web-1.example");
    EXPECT_EQ((*row)->accepted_by, "operator: me");
    EXPECT_EQ(service_->enrolments->decide(id, true, "me", "").error().status, 409u);
    EXPECT_EQ(changes(), "waiting enrolled");
}

TEST_P(FleetEnrolment, ARefusedOneMayNotAttest) {
    FleetHost host("web");
    ASSERT_TRUE(service_->enrolments->decide(prove(host), false, "me", "unknown machine"));
    EXPECT_EQ(outcome(visit(host)), "unknown-host");
}

TEST_P(FleetEnrolment, AWrongCredentialEndsIt) {
    const FleetHost host("web");
    const auto begun = service_->enrolments->begin(host.enrolment(token_));
    ASSERT_TRUE(begun);
    const std::string id = (*begun)["id"];
    const Sha256 guess{};
    EXPECT_EQ(service_->enrolments->activate(id, guess).error().word, "credential");
    const auto right = from_base64(host.activation(*begun)["credential"].get<std::string>());
    (void)service_->enrolments->activate(id, *right);
    EXPECT_EQ((*service_->enrolments->show(id))["state"], "refused");
}

TEST_P(FleetEnrolment, AnotherHostsEndorsementKeyCannotBeProven) {
    const FleetHost host("web"), other("other");
    nlohmann::json body = host.enrolment(token_);
    body["ek"] = other.enrolment(token_)["ek"];
    const auto begun = service_->enrolments->begin(body);
    ASSERT_TRUE(begun);
    // Its own key opens nothing of it.
    EXPECT_EQ(host.activation(*begun)["credential"], "");
}

TEST_P(FleetEnrolment, WhatIsNoEnrolmentIsRefusedWithTheReason) {
    const FleetHost host("web");
    const auto word = [&](const nlohmann::json& body) {
        const auto answer = service_->enrolments->begin(body);
        return answer ? std::string("begun") : answer.error().word;
    };
    nlohmann::json body = host.enrolment(token_);
    EXPECT_EQ(word(host.enrolment("guessed")), "token");
    EXPECT_EQ(word(nlohmann::json::array()), "enrolment-malformed");
    for (const char* name : {"", "a b", "<b>", "\x1b[31m", "a/b"}) {
        body["name"] = name;
        EXPECT_EQ(word(body), "enrolment-malformed") << name;
    }
    body["name"] = std::string(254, 'a');
    EXPECT_EQ(word(body), "enrolment-malformed");
    FleetHost signer("web");
    signer.ek.attributes |= TPMA_OBJECT_SIGN_ENCRYPT;
    EXPECT_EQ(word(signer.enrolment(token_)), "ek");
    FleetHost free("web");
    free.host.quote.attributes &= ~TPMA_OBJECT_RESTRICTED;
    EXPECT_EQ(word(free.enrolment(token_)), "ak");
    body = host.enrolment(token_);
    body["ek"]["certificate"] = to_base64(host.host.ima);
    EXPECT_EQ(word(body), "ek");
    int rows = 0;
    EXPECT_EQ(service_->enrolments->list("")->size(), 0u) << rows;
}

TEST_P(FleetEnrolment, TheSameEndorsementKeyAgainReplacesTheAttestationKey) {
    FleetHost host("web");
    trust(host);
    const std::string id = enrol(host);
    host.host.good();
    EXPECT_EQ(outcome(visit(host)), "affirmed");
    const FleetHost former = host;
    host.host.quote.key = testing::ec_key("P-256");
    const std::string again = prove(host);
    EXPECT_EQ((*service_->enrolments->show(again))["state"], "accepted");
    EXPECT_EQ((*service_->enrolments->show(again))["host"], id);
    host.host.quote.clock = 1;  // another TPM state: nothing of before counts
    EXPECT_EQ(outcome(visit(host)), "affirmed");
    FleetHost old = former;
    EXPECT_EQ(outcome(visit(old)), "unknown-host");
}

TEST_P(FleetVisit, IsJudgedAndThenCostsNoList) {
    FleetHost host("web");
    trust(host);
    enrol(host);
    host.host.good();
    const auto first = visit(host);
    ASSERT_TRUE(first) << to_json(first.error());
    EXPECT_EQ(first->verdict, "affirmed");
    EXPECT_EQ(first->entries, host.host.list.entries);
    const auto second = visit(host, first->entries);
    ASSERT_TRUE(second) << to_json(second.error());
    EXPECT_EQ(second->verdict, "affirmed");
    EXPECT_EQ(service_->visits->counters().judged, 1u);
    EXPECT_EQ(service_->visits->counters().unchanged, 1u);
    EXPECT_EQ(changes(), "waiting enrolled verdict:affirmed");
}

TEST_P(FleetVisit, NothingNewIsNoCanary) {
    FleetHost host("web");
    trust(host);
    ASSERT_TRUE(service_->references->add(
        {{.id = random_id(),
          .group = "default",
          .kind = "policy",
          .name = "appraisal.toml",
          .added = now(),
          .content = Buffer(as_bytes(kCanary).begin(), as_bytes(kCanary).end())}}));
    enrol(host);
    host.host.good();
    const Nonce nonce = service_->nonces->make(now_ms() - 1000);
    host.host.list.record("canary", {{"time", 1}, {"nonce", list::cbor_bytes(nonce)}});
    EXPECT_EQ(outcome(service_->visits->take(nonce, host.evidence(nonce))), "affirmed");
    // Nobody shows that capture works still.
    EXPECT_EQ(outcome(visit(host, host.host.list.entries)), "contraindicated");
}

TEST_P(FleetVisit, NothingNewIsJudgedWhenAKeysTimeoutIsOver) {
    FleetHost host("web");
    trust(host);
    enrol(host);
    host.host.good();
    nlohmann::json timeout = host.host.key_fields("timeout", 300, ".ima", 101, "File signer: 11");
    const std::int64_t over = now() + 2;
    timeout["expiry"] = over;
    host.host.list.record("timeout", timeout);
    EXPECT_EQ(outcome(visit(host)), "affirmed");
    EXPECT_EQ(outcome(visit(host, host.host.list.entries)), "affirmed");
    while (now() < over) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_EQ(outcome(visit(host, host.host.list.entries)), "contraindicated");
}

TEST_P(FleetVisit, ARogueKeyIsFoundByWhatIsNewAlone) {
    FleetHost host("web");
    trust(host);
    const std::string id = enrol(host);
    host.host.good();
    const auto first = visit(host);
    ASSERT_TRUE(first);
    const testing::Buffer rogue = testing::rogue(host.host);
    host.host.key(".ima", rogue, 301, "Rogue: 22");
    const auto second = visit(host, first->entries);
    ASSERT_TRUE(second) << to_json(second.error());
    EXPECT_EQ(second->verdict, "contraindicated");
    EXPECT_EQ(second->generation, first->generation);
    EXPECT_EQ(changes(), "waiting enrolled verdict:affirmed verdict:contraindicated");
    const auto found = find_keys(*service_->database, to_hex(sha256(rogue)), 0);
    ASSERT_TRUE(found) << to_string(found.error());
    ASSERT_EQ(found->size(), 1u) << *new_keys(*service_->database, 0);
    EXPECT_EQ((*found)[0]["subject"], "Rogue");
    EXPECT_EQ((*found)[0]["hosts"][0]["host"], id);
    EXPECT_EQ((*found)[0]["hosts"][0]["keyring"], ".ima");
    const auto by_name = find_keys(*service_->database, "ogu", 0);
    ASSERT_TRUE(by_name);
    EXPECT_EQ(by_name->size(), 1u);
    // And it goes on from there.
    const auto third = visit(host, second->entries);
    ASSERT_TRUE(third);
    EXPECT_EQ(third->verdict, "contraindicated");
    EXPECT_EQ(service_->visits->counters().unchanged, 1u);
}

TEST_P(FleetVisit, WhereAKeyWasTrustedAtATime) {
    FleetHost web("web"), mail("mail", true);
    const testing::Buffer rogue_key = testing::rogue(web.host);
    for (FleetHost* host : {&web, &mail}) {
        trust(*host);
        enrol(*host);
        host->host.good();
        host->host.key(".ima", rogue_key, 301, "Rogue: 22");
        ASSERT_TRUE(visit(*host));
    }
    const auto fresh = new_keys(*service_->database, 0);
    ASSERT_TRUE(fresh);
    const auto rogue = std::ranges::find_if(
        *fresh, [](const nlohmann::json& key) { return key["subject"] == "Rogue"; });
    ASSERT_NE(rogue, fresh->end()) << *fresh;
    EXPECT_EQ((*rogue)["hosts"], 2);
    EXPECT_TRUE(new_keys(*service_->database, now() + 10)->empty());
    // Since an hour ago in both; out of one of them since half an hour.
    const long long hour = now() - 3600, half = now() - 1800;
    ASSERT_TRUE(service_->database->write([&](soci::session& session) -> Result<void> {
        session << "update host_keys set since = :hour", soci::use(hour);
        session << "update host_keys set until = :half where host = (select min(host) from "
                   "host_keys)",
            soci::use(half);
        return {};
    }));
    const auto hosts_at = [&](std::int64_t time) {
        return (*find_keys(*service_->database, "Rogue", time))[0]["hosts"].size();
    };
    EXPECT_EQ(hosts_at(hour - 60), 0u);
    EXPECT_EQ(hosts_at(hour + 60), 2u);
    EXPECT_EQ(hosts_at(half + 60), 1u);
    EXPECT_EQ(hosts_at(0), 1u);
    EXPECT_EQ(hosts_at(-1), 2u) << "ever";
}

TEST_P(FleetVisit, AReplayedPieceChangesNothingButACounter) {
    FleetHost host("web");
    trust(host);
    const std::string id = enrol(host);
    host.host.good();
    const Nonce nonce = service_->nonces->make(now_ms());
    const testing::Buffer evidence = host.evidence(nonce);
    ASSERT_TRUE(service_->visits->take(nonce, evidence));
    const auto before = find_host(*service_->database, id);
    EXPECT_EQ(outcome(service_->visits->take(nonce, evidence)), "replayed");
    // Another process, the same nonce, a later quote: the nonce is used.
    const auto other = open();
    EXPECT_EQ(outcome(other->visits->take(nonce, host.evidence(nonce))), "replayed");
    const auto after = find_host(*service_->database, id);
    EXPECT_EQ((*after)->refused, (*before)->refused + 2);
    EXPECT_EQ((*after)->revision, (*before)->revision);
    EXPECT_EQ((*after)->last_nonce, (*before)->last_nonce);
}

TEST_P(FleetVisit, AnOlderClockIsRefusedWithAFreshNonce) {
    FleetHost host("web");
    trust(host);
    enrol(host);
    host.host.good();
    const auto first = visit(host);
    ASSERT_TRUE(first);
    host.host.quote.clock -= 2000;
    EXPECT_EQ(outcome(visit(host)), "replayed");
    host.host.quote.clock -= 2000;
    EXPECT_EQ(outcome(visit(host, first->entries)), "replayed");
    host.host.quote.clock += 10000;
    host.host.quote.reset_count -= 1;
    EXPECT_EQ(outcome(visit(host)), "replayed");
}

TEST_P(FleetVisit, ForeignAndMalformedPiecesAreRefused) {
    FleetHost host("web"), other("other");
    trust(host);
    enrol(host);
    enrol(other);
    host.host.good();
    const Nonce nonce = service_->nonces->make(now_ms());
    const NonceMaker foreign(SecretText(32, 'f'));
    const Nonce forged = foreign.make(now_ms());
    EXPECT_EQ(outcome(service_->visits->take(forged, host.evidence(forged))), "unknown-session");
    EXPECT_EQ(outcome(service_->visits->take(nonce, as_bytes("nothing"))), "evidence-malformed");
    // Evidence over another nonce, and of another key than it names.
    EXPECT_EQ(outcome(service_->visits->take(nonce, host.evidence(forged))), "evidence-unusable");
    const testing::Buffer own_ak = host.host.quote.tpmt_public();
    host.host.quote.key = other.host.quote.key;
    host.host.quote.nonce.assign(nonce.begin(), nonce.end());
    evidence::Evidence signed_by_other = host.host.evidence();
    signed_by_other.ak = own_ak;
    EXPECT_EQ(outcome(service_->visits->take(nonce, evidence::encode_cbor(signed_by_other))),
              "evidence-unusable");
}

TEST_P(FleetVisit, StartsOverWhereWhatIsKeptEndsElsewhere) {
    FleetHost host("web");
    trust(host);
    enrol(host);
    host.host.good();
    EXPECT_EQ(outcome(visit(host, 3)), "since");
    const auto first = visit(host);
    ASSERT_TRUE(first);
    EXPECT_EQ(outcome(visit(host, first->entries - 1)), "since");
    EXPECT_EQ(outcome(visit(host)), "affirmed");
}

TEST_P(FleetVisit, ARebootBeginsANewList) {
    FleetHost host("web");
    trust(host);
    enrol(host);
    host.host.good();
    const auto first = visit(host);
    ASSERT_TRUE(first);
    host.reboot();
    host.host.begin();
    const auto second = visit(host);
    ASSERT_TRUE(second) << to_json(second.error());
    EXPECT_EQ(second->verdict, "affirmed");
    EXPECT_EQ(second->generation, first->generation + 1);
    EXPECT_EQ(second->entries, host.host.list.entries);
    const auto kept = load_snapshot(*service_->database, *second);
    ASSERT_TRUE(kept && *kept);
    EXPECT_EQ((*kept)->list, host.host.list.bytes);
}

TEST_P(FleetVisit, ManyAtOnceOfOneHostAreOneAfterTheOther) {
    FleetHost host("web");
    trust(host);
    const std::string id = enrol(host);
    host.host.good();
    ASSERT_TRUE(visit(host));
    const auto other = open();
    std::vector<std::pair<Nonce, testing::Buffer>> pieces;
    for (int i = 0; i < 8; ++i) {
        const Nonce nonce = service_->nonces->make(now_ms() + i);
        pieces.emplace_back(nonce, host.evidence(nonce));
    }
    std::atomic<int> affirmed = 0;
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < pieces.size(); ++i)
            threads.emplace_back([&, i] {
                Visits& visits = *(i % 2 == 0 ? service_ : other)->visits;
                if (visits.take(pieces[i].first, pieces[i].second)) ++affirmed;
            });
    }
    EXPECT_GE(affirmed, 1);
    const auto row = find_host(*service_->database, id);
    // The last one of those that counted, and each of those once.
    EXPECT_EQ((*row)->revision, 1 + affirmed);
}

TEST_P(FleetVisit, ASilentHostIsToldOnceAndHeardAgain) {
    settings_.attest.silent_after = 0;
    service_ = open();
    FleetHost host("web");
    trust(host);
    const std::string id = enrol(host);
    host.host.good();
    ASSERT_TRUE(visit(host));
    while (now() <= (*find_host(*service_->database, id))->deadline) std::this_thread::yield();
    const auto other = open();
    EXPECT_EQ(*mark_silent(*service_), 1);
    EXPECT_EQ(*mark_silent(*other), 0);
    EXPECT_TRUE((*find_host(*service_->database, id))->silent);
    EXPECT_EQ((*count_hosts(*service_->database))["silent"], 1);
    EXPECT_EQ(outcome(visit(host)), "affirmed");
    EXPECT_EQ(changes(), "waiting enrolled verdict:affirmed silent heard");
}

TEST_P(FleetVisit, NobodyIsSilentForAsLongAsNobodyCouldListen) {
    FleetHost host("web");
    trust(host);
    const std::string id = enrol(host);
    host.host.good();
    ASSERT_TRUE(visit(host));
    EXPECT_EQ(*mark_silent(*service_), 0);
    const auto set = [&](const std::string& name, std::int64_t value) {
        const long long number = value;
        ASSERT_TRUE(service_->database->write([&](soci::session& session) -> Result<void> {
            session << "update meta set value = :value where name = :name", soci::use(number),
                soci::use(name);
            session << "update hosts set deadline = 1";
            return {};
        }));
    };
    // All processes were away for twenty minutes, and the deadline came meanwhile.
    set("deadlines_looked_at", now() - 1200);
    EXPECT_EQ(*mark_silent(*service_), 0);
    EXPECT_EQ(*mark_silent(*open()), 0);
    EXPECT_FALSE((*find_host(*service_->database, id))->silent);
    // As long as that lasted, but no longer than hosts have at all.
    set("deadlines_wait_until", now() - 1);
    EXPECT_EQ(*mark_silent(*service_), 1);
    // A restart that took a moment gives nobody time.
    EXPECT_EQ(outcome(visit(host)), "affirmed");
    set("deadlines_looked_at", now() - 30);
    EXPECT_EQ(*mark_silent(*service_), 1);
}

TEST_P(FleetVisit, WhenReferencesChangeAllAreJudgedAgain) {
    FleetHost host("web");
    trust(host.host.builtin, "build.der");
    const std::string id = enrol(host);
    host.host.good();
    ASSERT_TRUE(visit(host));
    EXPECT_EQ((*find_host(*service_->database, id))->verdict, "contraindicated");
    const ReferenceFile file{.id = random_id(),
                             .group = "default",
                             .name = "ima.der",
                             .added = now(),
                             .content = host.host.ima};
    const auto tried = try_references(*service_, {file}, {}, now());
    ASSERT_TRUE(tried) << to_string(tried.error());
    ASSERT_EQ(tried->size(), 1u);
    EXPECT_EQ((*tried)[0]["latter"], "affirmed");
    EXPECT_EQ(*judge_stale(*service_), 0);
    trust(host.host.ima, "ima.der");
    EXPECT_EQ(*judge_stale(*service_), 1);
    EXPECT_EQ((*find_host(*service_->database, id))->verdict, "affirmed");
    EXPECT_EQ(*judge_stale(*service_), 0);
    EXPECT_EQ(changes(), "waiting enrolled verdict:contraindicated verdict:affirmed");
    // And the next visit goes on from what is kept.
    EXPECT_EQ(outcome(visit(host, host.host.list.entries)), "affirmed");
    EXPECT_EQ(service_->visits->counters().unchanged, 1u);
}

TEST_P(FleetVisit, AReferenceIsInForceInItsTimeAlone) {
    FleetHost host("web");
    trust(host.host.builtin, "build.der");
    const auto done = service_->references->add({{.id = random_id(),
                                                  .group = "default",
                                                  .name = "ima.der",
                                                  .from = now() + 1000,
                                                  .added = now(),
                                                  .content = host.host.ima}});
    ASSERT_TRUE(done);
    enrol(host);
    host.host.good();
    EXPECT_EQ(outcome(visit(host)), "contraindicated");
    const auto all = service_->references->files("default");
    const auto later = make_basis(*all, now() + 1001);
    ASSERT_TRUE(later);
    EXPECT_EQ(later->basis.references.all().size(), 2u);
    const auto basis = make_basis(*all, now());
    EXPECT_LE(basis->until, now() + 1000);
}

TEST_P(FleetVisit, ANameThatMovesToAnotherReferenceIsAnotherBasis) {
    const FleetHost host("web");
    const auto basis = [&](const char* first, const char* second) {
        return make_basis({{.id = "1", .name = first, .content = host.host.builtin},
                           {.id = "2", .name = second, .content = host.host.ima}},
                          now());
    };
    EXPECT_EQ(basis("a.der", "b.der")->id, basis("a.der", "b.der")->id);
    EXPECT_NE(basis("a.der", "b.der")->id, basis("b.der", "a.der")->id);
}

TEST_P(FleetVisit, AnExportIsJudgedAlikeOffline) {
    FleetHost host("web");
    trust(host);
    const std::string id = enrol(host);
    host.host.good();
    const auto first = visit(host);
    ASSERT_TRUE(first);
    host.host.key(".ima", testing::rogue(host.host), 301, "Rogue: 22");
    ASSERT_TRUE(visit(host, first->entries));
    const auto exported = export_host(*service_, id);
    ASSERT_TRUE(exported && exported->is_object());
    const auto evidence = from_base64((*exported)["evidence"].get<std::string>());
    const auto nonce = from_hex((*exported)["nonce"].get<std::string>());
    const auto der = from_base64((*exported)["attestation_key"].get<std::string>());
    ASSERT_TRUE(evidence && nonce && der);
    const auto key = appraise::AttestationKey::parse(as_text(*der), "key");
    ASSERT_TRUE(key);
    appraise::Basis parts;
    for (const auto& file : (*exported)["references"])
        ASSERT_TRUE(parts.references.add(*from_base64(file["content"].get<std::string>()),
                                         file["name"].get<std::string>()));
    const auto basis = appraise::complete(std::move(parts));
    ASSERT_TRUE(basis);
    const auto appraisal = appraise::appraise(
        {.evidence = *evidence, .nonce = *nonce, .keys = {&*key, 1}, .now = now()}, *basis);
    EXPECT_EQ(name_of(appraisal.verdict), "contraindicated");
    EXPECT_EQ(testing::codes_of(appraisal), "key-unknown");
}

TEST_P(FleetVisit, ARemovedHostLeavesNothing) {
    FleetHost host("web");
    trust(host);
    const std::string id = enrol(host);
    host.host.good();
    ASSERT_TRUE(visit(host));
    EXPECT_TRUE(*remove_host(*service_->database, *service_->changes, id, "me"));
    EXPECT_FALSE(*remove_host(*service_->database, *service_->changes, id, "me"));
    EXPECT_EQ(outcome(visit(host)), "unknown-host");
    EXPECT_TRUE(show_host(*service_->database, id)->is_null());
}

}  // namespace
}  // namespace keyscribe::verifier
