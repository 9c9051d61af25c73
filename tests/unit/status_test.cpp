// SPDX-License-Identifier: Apache-2.0
#include "controller/host/status/status.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "support.h"

namespace keyscribe {
namespace status_test {

status::Status ready() {
    status::Status status;
    status.policy.loaded = true;
    status.tpm.ready = true;
    status.tpm.pcr = 13;
    status.counters.measured = 3;
    return status;
}

TEST(Status, SaysWhatItWaitsFor) {
    status::Status status;
    EXPECT_EQ(status::waiting_for(status), (std::vector<std::string>{"policy", "tpm"}));
    status.policy.loaded = true;
    EXPECT_EQ(status::waiting_for(status), (std::vector<std::string>{"tpm"}));
    status.list_error = "no room";
    EXPECT_EQ(status::waiting_for(status), (std::vector<std::string>{"tpm", "list"}));
    EXPECT_TRUE(status::waiting_for(ready()).empty());
}

TEST(Status, StateNames) {
    EXPECT_EQ(status::state_name(status::Status{}), "waiting");
    status::Status status = ready();
    EXPECT_EQ(status::state_name(status), "ready");
    status.degraded = {"something"};
    EXPECT_EQ(status::state_name(status), "degraded");
    status.tpm.ready = false;
    EXPECT_EQ(status::state_name(status), "waiting");
}

TEST(Status, ATpmThatDoesNotAnswerIsWaitedFor) {
    using namespace std::chrono_literals;
    status::Status status = ready();
    status.tpm.asked_since = std::chrono::steady_clock::now();
    EXPECT_EQ(status::state_name(status), "ready");
    status.tpm.asked_since = std::chrono::steady_clock::now() - 7s;
    EXPECT_EQ(status::waiting_for(status), std::vector<std::string>{"tpm"});
    EXPECT_EQ(status::tpm_error(status), "measuring has waited for its answer for 7 s");
    EXPECT_FALSE(to_json(status)["tpm"]["ready"]);
}

TEST(Status, Summary) {
    status::Status status;
    status.spool.waiting = 4;
    EXPECT_EQ(status::summary(status), "capturing; waiting for policy and tpm, 4 events kept");
    status = ready();
    EXPECT_EQ(status::summary(status), "capturing; ready: 3 events measured, PCR 13");
    status.counters.lost = 2;
    status.spool.dropped = 5;
    EXPECT_EQ(status::summary(status),
              "capturing; ready: 3 events measured, PCR 13, 2 events LOST, 5 events DROPPED");
}

TEST(Status, JsonHasNullWhereThereIsNothing) {
    status::Status status = ready();
    status.hooks = {{"create, update", "lsm:key_post_create_or_update", "why"}};
    status.tpm.values = {{"sha256", "00ff"}};
    const nlohmann::json json = to_json(status);
    EXPECT_EQ(json["state"], "ready");
    EXPECT_EQ(json["waiting_for"], nlohmann::json::array());
    EXPECT_TRUE(json["policy"]["error"].is_null());
    EXPECT_TRUE(json["tpm"]["error"].is_null());
    EXPECT_TRUE(json["list"]["error"].is_null());
    EXPECT_EQ(json["tpm"]["values"]["sha256"], "00ff");
    EXPECT_EQ(json["hooks"][0]["attach_point"], "lsm:key_post_create_or_update");
    EXPECT_EQ(json["counters"]["measured"], 3);
    EXPECT_EQ(nlohmann::json::parse(json.dump()), json);
}

TEST(Status, PrometheusLineByLine) {
    // The text exposition format 0.0.4: HELP and TYPE, then the sample; each metric once.
    const std::regex help("# HELP ([a-z_]+) (.+)");
    const std::regex type("# TYPE ([a-z_]+) (counter|gauge)");
    const std::regex sample("([a-z_]+) ([0-9]+)");
    const std::string text = status::to_prometheus(ready());
    ASSERT_TRUE(text.ends_with('\n'));
    const auto lines = testing::lines_of(text);
    ASSERT_EQ(lines.size() % 3, 0u);
    std::map<std::string, std::string> samples;
    for (std::size_t i = 0; i < lines.size(); i += 3) {
        std::smatch helped, typed, sampled;
        ASSERT_TRUE(std::regex_match(lines[i], helped, help)) << lines[i];
        ASSERT_TRUE(std::regex_match(lines[i + 1], typed, type)) << lines[i + 1];
        ASSERT_TRUE(std::regex_match(lines[i + 2], sampled, sample)) << lines[i + 2];
        EXPECT_EQ(helped[1], typed[1]);
        EXPECT_EQ(typed[1], sampled[1]);
        EXPECT_EQ(typed[2] == "counter", sampled[1].str().ends_with("_total")) << lines[i + 1];
        EXPECT_TRUE(samples.emplace(sampled[1], sampled[2]).second) << lines[i + 2];
    }
    EXPECT_EQ(samples.at("keyscribe_ready"), "1");
    EXPECT_EQ(samples.at("keyscribe_degraded"), "0");
    EXPECT_EQ(samples.at("keyscribe_events_measured_total"), "3");
}

}  // namespace status_test
}  // namespace keyscribe
