// SPDX-License-Identifier: Apache-2.0
// How long a verdict holds: until time, references or another attestation key take its ground away.
#include <thread>

#include "controller/base/base64.h"
#include "controller/service/verifier/ear.h"
#include "controller/service/verifier/operator_queries.h"
#include "controller/service/verifier/rounds.h"
#include "verifier_fleet.h"

namespace keyscribe::verifier {
namespace verifier_verdict_test {

using nlohmann::json;
using testing::FleetHost;

class FleetVerdict : public Fleet {
  protected:
    /// Enrolled, affirmed.
    void affirm(FleetHost& host) {
        trust(host);
        id_ = enrol(host);
        host.host.good();
        ASSERT_EQ(outcome(visit(host)), "affirmed");
    }
    HostRow row() { return **find_host(*service_->database, id_); }
    json result(std::int64_t time) { return EarSigner::claims(row(), {}, time); }
    std::string status(std::int64_t time) {
        return result(time)["submods"]["keyscribe"]["ear_status"];
    }
    std::string last_change() {
        const auto all = list_changes(*service_->database, 0, 1000);
        EXPECT_TRUE(all);
        const json& change = (*all)["changes"].back();
        return change["kind"].get<std::string>() + ' ' + change["former"].get<std::string>() + ' ' +
               change["latter"].get<std::string>();
    }
    std::string add_policy(const std::string& text) {
        const std::string id = random_id();
        const auto done = service_->references->add({{.id = id,
                                                      .group = "default",
                                                      .kind = "policy",
                                                      .name = "appraisal.toml",
                                                      .added = now(),
                                                      .content = {text.begin(), text.end()}}});
        EXPECT_TRUE(done) << to_string(done.error());
        return id;
    }
    std::string id_;
};
FLEET_ON_BOTH_ENGINES(FleetVerdict);

TEST_P(FleetVerdict, EndsWithAKeysTimeoutAndNoVisit) {
    FleetHost host("web");
    trust(host);
    id_ = enrol(host);
    host.host.good();
    json timeout = host.host.key_fields("timeout", 300, ".ima", 101, "File signer: 11");
    const std::int64_t over = now() + 4;
    timeout["expiry"] = over;
    host.host.list.record("timeout", timeout);
    ASSERT_EQ(outcome(visit(host)), "affirmed");
    EXPECT_EQ(*judge_stale(*service_), 0);
    // A relying party may believe it until then, and is told so.
    EXPECT_EQ(result(now())["exp"], over);
    EXPECT_EQ(status(over), "none");
    while (now() < over) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_EQ(*judge_stale(*service_), 1);
    EXPECT_EQ(row().verdict, "contraindicated");
    EXPECT_EQ(last_change(), "verdict affirmed contraindicated");
    EXPECT_EQ(status(now()), "contraindicated");
    EXPECT_EQ(*judge_stale(*service_), 0);
}

TEST_P(FleetVerdict, ThatAPolicyMakesImpossibleIsNone) {
    FleetHost host("web");
    affirm(host);
    // Quotes have no such bank: of what is kept nothing can be told any more.
    const std::string policy = add_policy("[evidence]\nbanks = [\"sha256\", \"sha512\"]\n");
    EXPECT_EQ(*judge_stale(*service_), 1);
    EXPECT_EQ(row().verdict, "none");
    EXPECT_EQ(status(now()), "none");
    EXPECT_EQ(last_change(), "verdict affirmed none");
    EXPECT_EQ(*judge_stale(*service_), 0);
    // Nor by a visit with nothing new, which says why, and does not count as one.
    const std::int64_t deadline = row().deadline;
    EXPECT_EQ(outcome(visit(host, row().entries)), "evidence-unusable");
    EXPECT_EQ(row().deadline, deadline);
    const auto shown = show_host(*service_->database, id_);
    EXPECT_NE((*shown)["appraisal"]["findings"].dump().find("quote-banks"), std::string::npos);
    // And it is back when that policy is gone.
    EXPECT_TRUE(*service_->references->remove(policy));
    EXPECT_EQ(*judge_stale(*service_), 1);
    EXPECT_EQ(row().verdict, "affirmed");
    EXPECT_EQ(outcome(visit(host, row().entries)), "affirmed");
}

TEST_P(FleetVerdict, IsNotTakenOverByAnotherAttestationKey) {
    FleetHost host("web");
    affirm(host);
    const std::int64_t deadline = row().deadline;
    while (now() == deadline - settings_.attest.silent_after) std::this_thread::yield();
    host.host.quote.key = testing::ec_key("P-256");
    prove(host);
    // Nothing was heard under that key: enrolling again and again puts no deadline off.
    EXPECT_EQ(row().verdict, "none");
    EXPECT_EQ(row().deadline, deadline);
    EXPECT_EQ(status(now()), "none");
    EXPECT_EQ(last_change(), "verdict affirmed none");
    host.host.quote.clock = 1;
    EXPECT_EQ(outcome(visit(host)), "affirmed");
}

TEST_P(FleetVerdict, StaysWhereTheSameKeyEnrolsAgain) {
    FleetHost host("web");
    affirm(host);
    host.name = "web-new";
    prove(host);
    EXPECT_EQ(row().verdict, "affirmed");
    EXPECT_EQ(row().name, "web-new");
    EXPECT_EQ(last_change(), "enrolled  default");
    EXPECT_EQ(outcome(visit(host, row().entries)), "affirmed");
}

TEST_P(FleetVerdict, AHostChangesItsGroupByAnOperatorsYesAlone) {
    FleetHost host("web");
    affirm(host);
    const std::string strict = token_;
    token_ = *create_token(*service_->database, {.role = "enrol", .group = "lax"});
    const std::string again = prove(host);
    EXPECT_EQ((*service_->enrolments->show(again))["state"], "waiting");
    EXPECT_EQ(row().group, "default");
    EXPECT_EQ(row().verdict, "affirmed");
    ASSERT_TRUE(service_->enrolments->decide(again, true, "me", "moved"));
    EXPECT_EQ(row().group, "lax");
}

TEST_P(FleetVerdict, ASilentHostsResultSaysSoAndExpires) {
    FleetHost host("web");
    affirm(host);
    const std::int64_t later = row().deadline + 1;
    const json silent = result(later);
    EXPECT_EQ(silent["submods"]["keyscribe"]["ear_status"], "none");
    EXPECT_EQ(silent["submods"]["keyscribe"]["keyscribe_silent"], true);
    ASSERT_TRUE(silent.contains("exp"));
    EXPECT_GT(silent["exp"], later);
    EXPECT_LE(silent["exp"], later + 300);
}

}  // namespace verifier_verdict_test
}  // namespace keyscribe::verifier
