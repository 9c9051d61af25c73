// SPDX-License-Identifier: Apache-2.0
// The verifier's database, on SQLite and on PostgreSQL.
#include <gtest/gtest.h>
#include <soci/soci.h>

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

#include "controller/service/verifier/nonce.h"
#include "controller/service/verifier/problem.h"
#include "controller/service/verifier/schema.h"
#include "controller/service/verifier/secrets.h"
#include "support.h"
#include "tests/support/databases.h"

namespace keyscribe::verifier {
namespace {

using testing::Engine;

class VerifierStore : public ::testing::TestWithParam<Engine> {
  protected:
    void SetUp() override { database_ = open(); }
    std::unique_ptr<Database> open() {
        auto made = Database::create(url_, 8);
        EXPECT_TRUE(made);
        return made ? std::move(*made) : nullptr;
    }

    std::string url_ = testing::new_database(GetParam());
    std::unique_ptr<Database> database_;
};

INSTANTIATE_TEST_SUITE_P(Engines, VerifierStore,
                         ::testing::Values(Engine::kSqlite, Engine::kPostgres),
                         [](const auto& info) { return testing::name_of(info.param); });

TEST_P(VerifierStore, ASchemaIsMadeOnceWhoeverStartsFirst) {
    const auto other = open();
    std::vector<Result<void>> results(2);
    {
        const std::jthread first([&] { results[0] = migrate(*database_); });
        const std::jthread second([&] { results[1] = migrate(*other); });
    }
    for (const auto& result : results) EXPECT_TRUE(result) << to_string(result.error());
    EXPECT_TRUE(migrate(*database_));
    int rows = 0;
    ASSERT_TRUE(database_->read([&](soci::session& session) -> Result<void> {
        session << "select count(*) from schema_migrations", soci::into(rows);
        return {};
    }));
    EXPECT_EQ(rows, schema_version());
}

TEST_P(VerifierStore, ANewerSchemaIsRefused) {
    ASSERT_TRUE(migrate(*database_));
    ASSERT_TRUE(database_->write([](soci::session& session) -> Result<void> {
        session << "insert into schema_migrations (number, applied) values (1000, 0)";
        return {};
    }));
    const auto done = migrate(*database_);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().where, "schema");
    EXPECT_NE(done.error().what.find("1000"), std::string::npos);
}

TEST_P(VerifierStore, WhatFailsLeavesNothing) {
    ASSERT_TRUE(migrate(*database_));
    const auto done = database_->write([](soci::session& session) -> Result<void> {
        session << "insert into meta (name, value) values ('half', 1)";
        return fail("not so", "test");
    });
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().where, "test");
    const auto refused = database_->write([](soci::session& session) -> Result<void> {
        session << "insert into meta (name, value) values ('half', 1)";
        session << "insert into no_such_table (name) values ('half')";
        return {};
    });
    ASSERT_FALSE(refused);
    // A fault of ours, which no waiting mends; it is not the database that is away.
    EXPECT_TRUE(is_of_statement(refused.error())) << to_string(refused.error());
    EXPECT_TRUE(database_->is_up());
    EXPECT_EQ(database_->failures().statement, 1u);
    EXPECT_EQ(problem_of(refused.error()).status, 500u);
    EXPECT_EQ(to_json(problem_of(refused.error())).find("no_such_table"), std::string::npos);
    int rows = -1;
    ASSERT_TRUE(database_->read([&](soci::session& session) -> Result<void> {
        session << "select count(*) from meta where name = 'half'", soci::into(rows);
        return {};
    }));
    EXPECT_EQ(rows, 0);
}

TEST_P(VerifierStore, NumbersAreWithoutGapsInOrderOfCommit) {
    ASSERT_TRUE(migrate(*database_));
    constexpr int kThreads = 4, kEach = 25;
    std::vector<std::int64_t> numbers(kThreads * kEach);
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < kThreads; ++thread)
            threads.emplace_back([&, thread] {
                for (int i = 0; i < kEach; ++i)
                    EXPECT_TRUE(database_->write([&](soci::session& session) -> Result<void> {
                        numbers[static_cast<std::size_t>(thread * kEach + i)] =
                            next_number(session, "changes");
                        return {};
                    }));
            });
    }
    const std::set<std::int64_t> different(numbers.begin(), numbers.end());
    EXPECT_EQ(different.size(), numbers.size());
    EXPECT_EQ(*different.begin(), 1);
    EXPECT_EQ(*different.rbegin(), kThreads * kEach);
}

TEST_P(VerifierStore, ASecretIsTheSameInEachProcess) {
    ASSERT_TRUE(migrate(*database_));
    const auto make = [] {
        const auto bytes = random_bytes();
        const std::string hex = to_hex(bytes);
        return SecretText(hex.begin(), hex.end());
    };
    const auto other = open();
    const auto first = shared_secret(*database_, "nonce", make);
    const auto second = shared_secret(*other, "nonce", make);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(*first, *second);
    EXPECT_EQ(first->size(), 64u);
}

TEST_P(VerifierStore, ATokenIsKeptAsItsDigestAlone) {
    ASSERT_TRUE(migrate(*database_));
    const auto token = create_token(*database_, {.role = "enrol", .group = "web", .label = "t"});
    const auto expired = create_token(*database_, {.role = "enrol"}, now() - 1);
    ASSERT_TRUE(token && expired);
    const auto found = find_token(*database_, *token);
    ASSERT_TRUE(found && *found);
    EXPECT_EQ((*found)->role, "enrol");
    EXPECT_EQ((*found)->group, "web");
    EXPECT_FALSE(find_token(*database_, *expired)->has_value());
    EXPECT_FALSE(find_token(*database_, *token + "A")->has_value());
    std::string kept;
    ASSERT_TRUE(database_->read([&](soci::session& session) -> Result<void> {
        session << "select digest from tokens where grp = 'web'", soci::into(kept);
        return {};
    }));
    EXPECT_EQ(kept, to_hex(sha256(as_bytes(*token))));
}

TEST_P(VerifierStore, ARevokedTokenIsGoodNoMore) {
    ASSERT_TRUE(migrate(*database_));
    const auto kept = create_token(*database_, {.role = "reader", .label = "ann"});
    const auto lost = create_token(*database_, {.role = "operator", .label = "bob"}, now() + 60);
    const auto all = list_tokens(*database_);
    ASSERT_TRUE(all && all->size() == 2);
    const auto bob =
        std::ranges::find_if(*all, [](const KeptToken& one) { return one.token.label == "bob"; });
    EXPECT_EQ(bob->id, token_digest(*lost).substr(0, 16));
    EXPECT_EQ(bob->token.role, "operator");
    EXPECT_GT(bob->expires, bob->created);
    EXPECT_EQ(revoke_token(*database_, bob->id), true);
    EXPECT_EQ(revoke_token(*database_, bob->id), false);
    EXPECT_EQ(revoke_token(*database_, ""), false);
    EXPECT_FALSE(find_token(*database_, *lost)->has_value());
    EXPECT_TRUE(find_token(*database_, *kept)->has_value());
}

TEST(VerifierStores, NobodyElseReadsTheFiles) {
    const testing::TempDir directory;
    const auto path = directory / "v.db";
    testing::write_file(path, "");
    std::filesystem::permissions(path, std::filesystem::perms(0644));
    for (int time = 0; time < 2; ++time) {
        const auto database = Database::create("sqlite:" + path.string(), 1).value();
        ASSERT_TRUE(migrate(*database));
        int files = 0;
        for (const auto& entry : std::filesystem::directory_iterator(path.parent_path())) {
            EXPECT_EQ(entry.status().permissions(), std::filesystem::perms(0600)) << entry.path();
            ++files;
        }
        EXPECT_GE(files, 1);
    }
}

TEST(VerifierStores, AnUnknownKindIsRefused) {
    const auto made = Database::create("mysql://host/name", 2);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().where, "[store] url");
}

TEST(VerifierStores, ADatabaseThatIsAwayIsToldAndIsFoundWhenItIsBack) {
    const std::string url = testing::new_database(Engine::kPostgres);
    const auto database = *Database::create(url, 2);
    ASSERT_TRUE(migrate(*database));
    testing::kill_postgres();
    const auto nothing = [](soci::session& session) -> Result<void> {
        session << "update meta set value = value";
        return {};
    };
    const auto away = database->write(nothing);
    ASSERT_FALSE(away);
    EXPECT_TRUE(is_of_store(away.error()));
    EXPECT_FALSE(database->is_up());
    testing::start_postgres();
    const auto back = database->write(nothing);
    EXPECT_TRUE(back) << to_string(back.error());
    EXPECT_TRUE(database->is_up());
}

TEST(Nonces, AnyProcessKnowsWhatAnotherGave) {
    const NonceMaker maker(SecretText(32, 'k')), other(SecretText(32, 'k')),
        foreign(SecretText(32, 'f'));
    const Nonce nonce = maker.make(1'800'000'000);
    EXPECT_EQ(other.time_of(nonce), 1'800'000'000);
    EXPECT_FALSE(foreign.time_of(nonce));
    EXPECT_NE(nonce, maker.make(1'800'000'000));
}

TEST(Nonces, AreGoodForAWhile) {
    const NonceMaker maker(SecretText(32, 'k'));
    const std::int64_t time = 1'800'000'000;
    const Nonce nonce = maker.make(time);
    EXPECT_TRUE(maker.is_good(nonce, time));
    EXPECT_TRUE(maker.is_good(nonce, time + kNonceLife));
    EXPECT_FALSE(maker.is_good(nonce, time + kNonceLife + 1));
    EXPECT_FALSE(maker.is_good(nonce, time - kClockSkew - 1));
}

TEST(Nonces, NoBitOfThemCanBeAnother) {
    const NonceMaker maker(SecretText(32, 'k'));
    const Nonce nonce = maker.make(1'800'000'000);
    for (std::size_t bit = 0; bit < 8 * nonce.size(); ++bit) {
        Nonce other = nonce;
        other[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
        EXPECT_FALSE(maker.time_of(other)) << bit;
    }
    EXPECT_FALSE(maker.time_of(Bytes(nonce).first(31)));
}

}  // namespace
}  // namespace keyscribe::verifier
