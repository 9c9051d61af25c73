// SPDX-License-Identifier: Apache-2.0
// What one client may take, so that the others do not notice.
#include <soci/soci.h>

#include "controller/service/verifier/limits.h"
#include "controller/service/verifier/operator_queries.h"
#include "controller/service/verifier/rounds.h"
#include "verifier_fleet.h"

namespace keyscribe::verifier {
namespace verifier_limits_test {

using testing::FleetHost;

TEST(SharedLimits, AreForAllAndForEach) {
    SharedLimit limit(100, 40);
    EXPECT_TRUE(limit.take("a", 40));
    EXPECT_FALSE(limit.take("a"));
    EXPECT_FALSE(limit.take("b", 41));
    EXPECT_TRUE(limit.take("b", 60, true));  // alone it may be larger
    EXPECT_FALSE(limit.take("c", 1, true));
    EXPECT_TRUE(limit.is_scarce());
    limit.give_back("b", 60);
    EXPECT_FALSE(limit.is_scarce());
    {
        SharedLimit::Hold hold;
        EXPECT_TRUE(hold.take(limit, "c", 30));
        EXPECT_EQ(limit.taken(), 70u);
    }
    EXPECT_EQ(limit.taken(), 40u);
}

class FleetLimits : public Fleet {
  protected:
    /// The word of the problem, or "taken".
    std::string begin(const FleetHost& host, const std::string& token) {
        const auto begun = service_->enrolments->begin(host.enrolment(token));
        if (!begun && begun.error().status == 429) {
            EXPECT_GT(begun.error().retry_after, 0u);
        }
        return begun ? "taken" : begun.error().word;
    }
    long long rows() {
        long long count = -1;
        EXPECT_TRUE(service_->database->read([&](soci::session& session) -> Result<void> {
            session << "select count(*) from enrolments", soci::into(count);
            return {};
        }));
        return count;
    }
    void pass(long long seconds) {
        ASSERT_TRUE(service_->database->write([&](soci::session& session) -> Result<void> {
            session
                << "update enrolments set created = created - :time, expires = expires - :time2",
                soci::use(seconds), soci::use(seconds);
            return {};
        }));
    }
};
FLEET_ON_BOTH_ENGINES(FleetLimits);

TEST_P(FleetLimits, AnEndorsementKeyHasSoManyNamesInAnHour) {
    service_->settings.limits.enrolments_for_ek = 3;
    FleetHost host("web", true);
    for (int i = 0; i < 3; ++i) {
        host.name = "web-" + std::to_string(i);
        EXPECT_EQ(begin(host, token_), "taken");
    }
    EXPECT_EQ(begin(host, token_), "enrolments-full");
    EXPECT_EQ(rows(), 3);
    EXPECT_EQ(begin(FleetHost("other", true), token_), "taken");
    pass(3601);
    EXPECT_EQ(begin(host, token_), "taken");
}

TEST_P(FleetLimits, ATokensHostsDoNotFillTheQueueOfOthers) {
    service_->settings.limits.enrolments_for_token = 2;
    const std::string other =
        *create_token(*service_->database, {.role = "enrol", .group = "other"});
    EXPECT_EQ(begin(FleetHost("a", true), token_), "taken");
    prove(FleetHost("b", true));
    EXPECT_EQ(begin(FleetHost("c", true), token_), "enrolments-full");
    EXPECT_EQ(begin(FleetHost("c", true), other), "taken");
    // What was never proven is forgotten, not what waits for an operator.
    pass(3601);
    EXPECT_EQ(begin(FleetHost("d", true), token_), "taken");
    EXPECT_EQ(begin(FleetHost("e", true), token_), "enrolments-full");
    EXPECT_TRUE(clean_up(*service_));
    EXPECT_EQ(rows(), 2);
}

TEST_P(FleetLimits, WrongProofsCountToo) {
    service_->settings.limits.enrolments_for_token = 2;
    for (int i = 0; i < 2; ++i) {
        const auto begun = service_->enrolments->begin(FleetHost("a", true).enrolment(token_));
        ASSERT_TRUE(begun);
        const std::string id = (*begun)["id"];
        EXPECT_FALSE(service_->enrolments->activate(id, Bytes()));
    }
    EXPECT_EQ(begin(FleetHost("b", true), token_), "enrolments-full");
}

TEST_P(FleetLimits, WhatWasDecidedIsForgottenAfterAMonth) {
    enrol(FleetHost("a", true));
    pass(29 * 86400);
    EXPECT_TRUE(clean_up(*service_));
    EXPECT_EQ(rows(), 1);
    pass(2 * 86400);
    EXPECT_TRUE(clean_up(*service_));
    EXPECT_EQ(rows(), 0);
}

TEST_P(FleetLimits, TheListOfAHostThatIsSilentForLongIsThrownAway) {
    service_->settings.attest.keep_lists = 10;
    FleetHost host("web"), heard("db");
    std::vector<std::string> ids;
    for (FleetHost* one : {&host, &heard}) {
        one->host.good();
        ids.push_back(enrol(*one));
        ASSERT_TRUE(visit(*one));
    }
    const auto age = [&](int days) {
        ASSERT_TRUE(service_->database->write([&](soci::session& session) -> Result<void> {
            const long long seen = now() - 86400LL * days;
            session << "update hosts set silent = 1, last_seen = :seen where id = :id",
                soci::use(seen), soci::use(ids[0]);
            return {};
        }));
        EXPECT_TRUE(clean_up(*service_));
    };
    age(9);
    EXPECT_TRUE(export_host(*service_, ids[0]));
    age(11);
    EXPECT_TRUE(export_host(*service_, ids[1]));
    const auto gone = export_host(*service_, ids[0]);
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().where, kNothingKept);
    long long chunks = -1;
    EXPECT_TRUE(service_->database->read([&](soci::session& session) -> Result<void> {
        session << "select (select count(*) from list_chunks where host = :host) + (select "
                   "count(*) from snapshots where host = :host2)",
            soci::use(ids[0]), soci::use(ids[0]), soci::into(chunks);
        return {};
    }));
    EXPECT_EQ(chunks, 0);
    // Its verdict stays; when it is back it sends the whole list.
    const auto row = find_host(*service_->database, ids[0]);
    EXPECT_EQ((*row)->verdict, "contraindicated");
    EXPECT_EQ(outcome(visit(host, 5)), "since");
    EXPECT_EQ(outcome(visit(host)), "contraindicated");
    EXPECT_TRUE(export_host(*service_, ids[0]));
}

TEST_P(FleetLimits, MarkupInAnyFieldOfAnEnrolmentIsRefused) {
    const FleetHost host("web", true);
    const nlohmann::json good = host.enrolment(token_);
    for (const char* text : {"<script>alert(1)</script>", "a\x1b[31m", "a\nb",
                             "a'; drop table hosts", "a%00", "\xc3\xa4", "../x"}) {
        for (const char* path : {"/name", "/token", "/ek/public", "/ak/public"}) {
            nlohmann::json body = good;
            body[nlohmann::json::json_pointer(path)] = text;
            const auto begun = service_->enrolments->begin(body);
            ASSERT_FALSE(begun) << path << ' ' << text;
            EXPECT_EQ(to_json(begun.error()).find(text), std::string::npos);
        }
        nlohmann::json body = good;
        body["ek"]["certificate"] = text;
        EXPECT_FALSE(service_->enrolments->begin(body));
        body = good;
        body["ek"]["chain"] = {text};
        EXPECT_FALSE(service_->enrolments->begin(body));
    }
    EXPECT_EQ(rows(), 0);
}

}  // namespace verifier_limits_test
}  // namespace keyscribe::verifier
