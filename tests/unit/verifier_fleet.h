// SPDX-License-Identifier: Apache-2.0
// A verifier with an empty database, for the tests of what it does.
#pragma once

#include <gtest/gtest.h>

#include "controller/base/base64.h"
#include "controller/service/verifier/service.h"
#include "tests/support/databases.h"
#include "tests/support/fleet_host.h"

namespace keyscribe::verifier {

class Fleet : public ::testing::TestWithParam<testing::Engine> {
  protected:
    void SetUp() override {
        settings_.store.url = testing::new_database(GetParam());
        settings_.webhook.urls = {"http://127.0.0.1:9/hook"};
        settings_.listen = {.address = "127.0.0.1", .port = 0, .name = "localhost"};
        service_ = open();
        ASSERT_TRUE(service_);
        token_ = *create_token(*service_->database, {.role = "enrol", .group = "default"});
    }
    std::unique_ptr<Service> open() {
        auto made = Service::open(settings_);
        EXPECT_TRUE(made) << to_string(made.error());
        return made ? std::move(*made) : nullptr;
    }
    /// Proven, and waiting for an operator.
    std::string prove(const testing::FleetHost& host) {
        const auto begun = service_->enrolments->begin(host.enrolment(token_));
        EXPECT_TRUE(begun) << to_json(begun.error());
        if (!begun) return {};
        const std::string id = (*begun)["id"];
        const auto bytes = from_base64(host.activation(*begun)["credential"].get<std::string>());
        const auto proven = service_->enrolments->activate(id, *bytes);
        EXPECT_TRUE(proven) << to_json(proven.error());
        return id;
    }
    /// Returns the host's id.
    std::string enrol(const testing::FleetHost& host) {
        const auto done = service_->enrolments->decide(prove(host), true, "me", "mine");
        EXPECT_TRUE(done) << to_json(done.error());
        return done ? (*done)["host"].get<std::string>() : std::string();
    }
    void trust(const testing::Buffer& certificate, const std::string& name) {
        const auto done = service_->references->add({{.id = random_id(),
                                                      .group = "default",
                                                      .name = name,
                                                      .added = now(),
                                                      .content = certificate}});
        EXPECT_TRUE(done) << to_string(done.error());
    }
    /// The host's two certificates are reference values.
    void trust(const testing::FleetHost& host) {
        trust(host.host.builtin, host.name + "-build.der");
        trust(host.host.ima, host.name + "-ima.der");
    }
    Answer<HostRow> visit(testing::FleetHost& host, std::uint64_t since = 0) {
        // Each later than the one before, as the clock has it.
        static std::int64_t time = now_ms();
        time = std::max(time + 1, now_ms());
        const Nonce nonce = service_->nonces->make(time);
        return service_->visits->take(nonce, host.evidence(nonce, since));
    }
    /// The verdict, or the word of the problem.
    std::string outcome(const Answer<HostRow>& answer) {
        return answer ? answer->verdict : answer.error().word;
    }
    /// What became of the changes: their kinds.
    std::string changes();

    Settings settings_;
    std::unique_ptr<Service> service_;
    std::string token_;
};

#define FLEET_ON_BOTH_ENGINES(suite)                                                             \
    INSTANTIATE_TEST_SUITE_P(                                                                    \
        Engines, suite, ::testing::Values(testing::Engine::kSqlite, testing::Engine::kPostgres), \
        [](const auto& info) { return testing::name_of(info.param); })

}  // namespace keyscribe::verifier
