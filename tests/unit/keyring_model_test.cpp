// SPDX-License-Identifier: Apache-2.0
#include "controller/keyrings/keyring_model.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <map>
#include <random>
#include <set>

#include "controller/list/cbor.h"
#include "tests/unit/support.h"

namespace keyscribe::model {
namespace keyring_model_test {

using nlohmann::json;

Sha256 digest_of(std::string_view text) {
    Sha256 digest;
    std::ranges::copy(Bytes(hash(Algorithm::kSha256, as_bytes(text))), digest.begin());
    return digest;
}

/// Feeds records as they stand in a list, entry after entry.
class Feeder {
  public:
    explicit Feeder(keyrings::KeyringModel& model) : model_(model) {}

    Result<void> raw(std::string_view name, Bytes buf) {
        return model_.feed({entry_++, 0, name, buf, 1000 * entry_});
    }
    Result<void> plain(std::string_view ring, std::string_view payload) {
        return raw(ring, as_bytes(payload));
    }
    /// The members that a test does not care about are added.
    Result<void> record(std::string_view kind, const json& members) {
        ++sequence_;
        json all = {{"seq", sequence_},
                    {"time", 10 * sequence_},
                    {"type", text("user")},
                    {"description", text("d")},
                    {"keyring", 0},
                    {"keyring_name", text("")},
                    {"uid", 1},
                    {"gid", 2},
                    {"perm", 3}};
        if (kind.starts_with("baseline")) all.erase("seq");
        all.update(members);
        return raw("keyscribe:" + std::string(kind), list::to_cbor(all));
    }
    Result<void> in_ring(std::string_view kind, int key, std::string_view description,
                         int ring = 100, const json& more = json::object()) {
        json members = {{"key", key},
                        {"description", text(description)},
                        {"keyring", ring},
                        {"keyring_name", text("ring" + std::to_string(ring))}};
        members.update(more);
        return record(kind, members);
    }
    static json text(std::string_view bytes) { return list::cbor_bytes(as_bytes(bytes)); }
    std::uint64_t time() const { return 10 * sequence_; }

  private:
    keyrings::KeyringModel& model_;
    std::uint64_t entry_ = 0;
    std::uint64_t sequence_ = 0;
};

std::set<std::int32_t> serials_in(const keyrings::KeyringModel& model, int ring) {
    std::set<std::int32_t> serials;
    if (const keyrings::KeyId id = model.find(ring); id != keyrings::kNone)
        for (const keyrings::LinkId link : model.contents(id))
            serials.insert(model.key(model.link(link).key).serial);
    return serials;
}
using Serials = std::set<std::int32_t>;

struct Fixture : ::testing::Test {
    keyrings::KeyringModel model;
    Feeder feeder{model};
    const keyrings::Key& key(int serial) { return model.key(model.find(serial)); }
};
using KeyringModelTest = Fixture;

TEST_F(KeyringModelTest, PutsTakesAndDisplaces) {
    ASSERT_TRUE(feeder.in_ring("create", 1, "a"));
    ASSERT_TRUE(feeder.in_ring("create", 2, "b"));
    EXPECT_EQ(serials_in(model, 100), (Serials{1, 2}));
    ASSERT_TRUE(feeder.in_ring("create", 3, "a"));
    EXPECT_EQ(serials_in(model, 100), (Serials{2, 3}));
    ASSERT_TRUE(feeder.in_ring("link", 3, "a", 101));
    EXPECT_EQ(model.holders(model.find(3)).size(), 2u);
    ASSERT_TRUE(feeder.in_ring("unlink", 3, "a"));
    EXPECT_EQ(serials_in(model, 100), Serials{2});
    ASSERT_TRUE(feeder.in_ring("move", 3, "a", 100,
                               {{"from", 101}, {"from_name", feeder.text("ring101")}}));
    EXPECT_EQ(serials_in(model, 100), (Serials{2, 3}));
    EXPECT_EQ(serials_in(model, 101), Serials{});
    ASSERT_TRUE(feeder.in_ring("destroy", 2, "b"));
    EXPECT_EQ(serials_in(model, 100), Serials{3});
    EXPECT_EQ(model.find(2), keyrings::kNone);
    ASSERT_TRUE(feeder.record("clear", {{"key", 100},
                                        {"type", feeder.text("keyring")},
                                        {"description", feeder.text("ring100")},
                                        {"keyring", 100},
                                        {"keyring_name", feeder.text("ring100")}}));
    EXPECT_EQ(serials_in(model, 100), Serials{});
    // All of it is remembered, with the entries of coming and going.
    const auto history = model.ever_held(model.find(100));
    ASSERT_EQ(history.size(), 4u);
    EXPECT_EQ(model.link(history[0]).since, keyrings::Place{0});
    EXPECT_EQ(model.link(history[0]).until, keyrings::Place{2});
    EXPECT_EQ(model.link(history[0]).end, list::Operation::kCreate);
    EXPECT_EQ(model.link(history[1]).end, list::Operation::kDestroy);
    EXPECT_EQ(model.link(history[2]).end, list::Operation::kUnlink);
    EXPECT_EQ(model.link(history[3]).how, list::Operation::kMove);
    EXPECT_EQ(model.link(history[3]).end, list::Operation::kClear);
}

// add_key(2) of one description in two network namespaces; then in the first one again.
TEST_F(KeyringModelTest, KeysOfSeveralNetworksStandBesideEachOther) {
    for (const char* type : {"rxrpc", "rxrpc_s", "psk"}) {
        keyrings::KeyringModel alone;
        Feeder one{alone};
        const json fields = {{"type", one.text(type)}};
        ASSERT_TRUE(one.in_ring("create", 1, "example.com", 100, fields));
        ASSERT_TRUE(one.in_ring("create", 2, "example.com", 100, fields));
        EXPECT_EQ(serials_in(alone, 100), (Serials{1, 2})) << type;
    }
    const json dns = {{"type", feeder.text("dns_resolver")}};
    ASSERT_TRUE(feeder.in_ring("create", 1, "example.com", 100, dns));
    ASSERT_TRUE(feeder.in_ring("create", 2, "example.com", 100, dns));
    EXPECT_EQ(serials_in(model, 100), (Serials{1, 2}));
    ASSERT_TRUE(feeder.in_ring("create", 3, "example.com", 100, dns));
    ASSERT_TRUE(feeder.in_ring("destroy", 1, "example.com", 0, dns));
    EXPECT_EQ(serials_in(model, 100), (Serials{2, 3}));
    ASSERT_TRUE(feeder.record(
        "baseline-begin",
        {{"reason", "order"},
         {"keyrings", json::array({{{"serial", 100}, {"name", feeder.text("ring100")}}})}}));
    ASSERT_TRUE(feeder.in_ring("baseline", 2, "example.com", 100, dns));
    ASSERT_TRUE(feeder.in_ring("baseline", 4, "example.com", 100, dns));
    ASSERT_TRUE(feeder.record("baseline-end", {{"keyrings", 1}, {"keys", 2}}));
    EXPECT_EQ(serials_in(model, 100), (Serials{2, 4}));
    ASSERT_TRUE(feeder.in_ring("unlink", 4, "example.com", 100, dns));
    EXPECT_EQ(serials_in(model, 100), Serials{2});
}

TEST_F(KeyringModelTest, TheDeadStayUntilTheyAreDestroyed) {
    for (const int key : {1, 2, 3, 4})
        ASSERT_TRUE(feeder.in_ring("create", key, std::to_string(key)));
    ASSERT_TRUE(feeder.in_ring("revoke", 1, "1"));
    ASSERT_TRUE(feeder.in_ring("invalidate", 2, "2"));
    ASSERT_TRUE(feeder.in_ring("timeout", 3, "3", 100, {{"expiry", 1000}}));
    ASSERT_TRUE(feeder.in_ring("reject", 5, "5", 100, {{"error", 126}}));
    EXPECT_EQ(serials_in(model, 100), (Serials{1, 2, 3, 4, 5}));
    EXPECT_EQ(key(1).marks, list::kRevoked);
    EXPECT_EQ(key(2).marks, list::kInvalidated);
    EXPECT_TRUE(keyrings::KeyringModel::is_expired(key(3), 1000));
    EXPECT_FALSE(keyrings::KeyringModel::is_expired(key(3), 999));
    EXPECT_TRUE(keyrings::KeyringModel::is_dead(key(1), 0));
    EXPECT_FALSE(keyrings::KeyringModel::is_dead(key(4), 0));
    EXPECT_EQ(key(5).marks, list::kNegative);
    EXPECT_EQ(key(5).error, 126);
    ASSERT_TRUE(feeder.in_ring("update", 5, "5"));
    EXPECT_EQ(key(5).marks, 0);
    ASSERT_TRUE(feeder.in_ring("timeout", 3, "3"));
    EXPECT_FALSE(keyrings::KeyringModel::is_expired(key(3), INT64_MAX));
}

// Revoked by one task while another made its first link into a watched keyring: the record of the
// revoke is of no watched keyring.
TEST_F(KeyringModelTest, AKeyCanComeRevoked) {
    ASSERT_TRUE(feeder.in_ring("link", 1, "a", 100, {{"state", {"revoked"}}}));
    EXPECT_EQ(serials_in(model, 100), Serials{1});
    EXPECT_EQ(key(1).marks, list::kRevoked);
    EXPECT_EQ(key(1).died, (keyrings::Place{0}));
    EXPECT_FALSE(model.holds(model.link(model.contents(model.find(100))[0]), 0));
    ASSERT_TRUE(feeder.in_ring("move", 2, "b", 100, {{"state", {"negative"}}}));
    EXPECT_EQ(key(2).marks, list::kNegative);
    ASSERT_TRUE(feeder.in_ring("update", 2, "b"));
    EXPECT_EQ(key(2).marks, 0);
}

TEST_F(KeyringModelTest, ARevokedOrDestroyedKeyringHoldsNothing) {
    const json ring = {{"type", feeder.text("keyring")}};
    ASSERT_TRUE(feeder.in_ring("create", 200, "ring200", 100, ring));
    ASSERT_TRUE(feeder.in_ring("create", 1, "a", 200));
    ASSERT_TRUE(feeder.in_ring("create", 2, "b", 200));
    EXPECT_EQ(serials_in(model, 200), (Serials{1, 2}));
    ASSERT_TRUE(feeder.in_ring("revoke", 200, "ring200", 100, ring));
    EXPECT_EQ(serials_in(model, 200), Serials{});
    EXPECT_EQ(serials_in(model, 100), Serials{200});
    ASSERT_TRUE(feeder.in_ring("create", 201, "ring201", 100, ring));
    ASSERT_TRUE(feeder.in_ring("link", 1, "a", 201));
    ASSERT_TRUE(feeder.in_ring("destroy", 201, "ring201", 0, ring));
    EXPECT_TRUE(model.holders(model.find(1)).empty());
    EXPECT_EQ(serials_in(model, 100), Serials{200});
    ASSERT_TRUE(feeder.record("restrict", {{"key", 100},
                                           {"type", feeder.text("keyring")},
                                           {"description", feeder.text("ring100")},
                                           {"restriction", feeder.text("asymmetric")}}));
    EXPECT_EQ(*key(100).restriction, "asymmetric");
}

TEST_F(KeyringModelTest, APayloadBelongsToTheRecordBehindIt) {
    const json plain = {{"plain", true}, {"sha256", json::binary({})}};
    const auto sha = digest_of("payload");
    const json good = {{"plain", true}, {"sha256", list::cbor_bytes(sha)}};
    ASSERT_TRUE(feeder.plain("ring100", "payload"));
    ASSERT_TRUE(feeder.in_ring("create", 1, "a", 100, good));
    EXPECT_EQ(serials_in(model, 100), Serials{1});
    EXPECT_EQ(key(1).sha256, sha);
    EXPECT_EQ(key(1).payload.size, 7u);
    EXPECT_EQ(key(1).payload.offset, 1000u);
    // IMA writes blanks as underscores.
    json blanks = good;
    blanks["keyring_name"] = Feeder::text("a ring");
    ASSERT_TRUE(feeder.plain("a_ring", "payload"));
    ASSERT_TRUE(feeder.in_ring("create", 7, "a", 107, blanks));
    EXPECT_EQ(key(7).payload.size, 7u);
    // The same update, told for a second keyring, without the payload.
    ASSERT_TRUE(feeder.in_ring("link", 1, "a", 101));
    EXPECT_EQ(key(1).payload.size, 7u);
    ASSERT_TRUE(feeder.in_ring("update", 1, "a"));
    EXPECT_EQ(key(1).payload.size, 0u);
    EXPECT_FALSE(key(1).sha256);
    // A record that claims a payload which is not there, or another one.
    EXPECT_FALSE(feeder.in_ring("create", 2, "b", 100, good));
    EXPECT_FALSE(feeder.in_ring("create", 2, "b", 100, plain));
    ASSERT_TRUE(feeder.plain("ring100", "another"));
    EXPECT_FALSE(feeder.in_ring("create", 2, "b", 100, good));
    EXPECT_EQ(serials_in(model, 100), (Serials{0, 1}));
}

TEST_F(KeyringModelTest, OldListsHavePayloadsAlone) {
    ASSERT_TRUE(feeder.plain("ring100", "one"));
    ASSERT_TRUE(feeder.plain("ring100", "two"));
    ASSERT_TRUE(feeder.plain("ring100", "one"));
    model.finish();
    const auto rings = model.keyrings_named("ring100");
    ASSERT_EQ(rings.size(), 1u);
    EXPECT_EQ(model.key(rings[0]).serial, 0);
    EXPECT_EQ(model.contents(rings[0]).size(), 2u);
    // Then the keyring's serial is told, and whose payload one of them is.
    ASSERT_TRUE(
        feeder.in_ring("link", 7, "x", 100, {{"sha256", list::cbor_bytes(digest_of("two"))}}));
    EXPECT_EQ(model.find(100), rings[0]);
    EXPECT_EQ(serials_in(model, 100), (Serials{0, 7}));
    EXPECT_EQ(model.contents(rings[0]).size(), 2u);
}

TEST_F(KeyringModelTest, ABaselineReplacesWhatItsKeyringsHold) {
    const auto begin = [&] {
        return feeder.raw(
            "keyscribe:baseline-begin",
            list::to_cbor({{"time", feeder.time()},
                           {"reason", "restart"},
                           {"keyrings", json::array({json{{"serial", 100},
                                                          {"name", feeder.text("ring100")}}})}}));
    };
    ASSERT_TRUE(feeder.in_ring("create", 1, "a"));
    ASSERT_TRUE(feeder.in_ring("create", 2, "b"));
    ASSERT_TRUE(feeder.in_ring("create", 3, "c", 101));
    ASSERT_TRUE(begin());
    const std::uint64_t then = feeder.time() + 1;
    // Meanwhile: 4 comes, 1 goes; the baseline saw both otherwise.
    ASSERT_TRUE(feeder.in_ring("create", 4, "e"));
    ASSERT_TRUE(feeder.in_ring("unlink", 1, "a"));
    const json old = {{"time", then}};
    ASSERT_TRUE(feeder.in_ring("baseline", 1, "a", 100, old));
    json states = old;
    states["state"] = {"revoked"};
    states["public_key"] = feeder.text("bits");
    states["algorithm"] = "rsa";
    ASSERT_TRUE(feeder.in_ring("baseline", 5, "f", 100, states));
    ASSERT_TRUE(feeder.raw("keyscribe:baseline-end",
                           list::to_cbor({{"time", then + 1}, {"keyrings", 1}, {"keys", 2}})));
    EXPECT_EQ(serials_in(model, 100), (Serials{4, 5}));
    EXPECT_EQ(serials_in(model, 101), Serials{3});
    EXPECT_EQ(key(5).marks, list::kRevoked);
    EXPECT_EQ(*key(5).fingerprint, digest_of("bits"));
    EXPECT_EQ(key(5).public_key.size, 4u);
}

// The key was seen in ring 100 after what the late records tell of ring 101.
TEST_F(KeyringModelTest, ABaselineKnowsNothingOfKeyringsThatItDidNotLookAt) {
    ASSERT_TRUE(feeder.in_ring("create", 1, "a"));
    ASSERT_TRUE(feeder.in_ring("create", 2, "b"));
    ASSERT_TRUE(feeder.in_ring("link", 2, "b", 101));
    ASSERT_TRUE(feeder.record(
        "baseline-begin",
        {{"time", 500},
         {"reason", "order"},
         {"keyrings", json::array({{{"serial", 100}, {"name", feeder.text("ring100")}}})}}));
    for (const int key : {1, 2})
        ASSERT_TRUE(feeder.in_ring("baseline", key, key == 1 ? "a" : "b", 100, {{"time", 600}}));
    ASSERT_TRUE(feeder.record("baseline-end", {{"time", 700}, {"keyrings", 1}, {"keys", 2}}));
    ASSERT_TRUE(feeder.in_ring("link", 1, "a", 101, {{"time", 501}}));
    ASSERT_TRUE(feeder.in_ring("unlink", 2, "b", 101, {{"time", 502}}));
    ASSERT_TRUE(feeder.in_ring("unlink", 2, "b", 100, {{"time", 400}}));
    EXPECT_EQ(serials_in(model, 101), Serials{1});
    EXPECT_EQ(serials_in(model, 100), (Serials{1, 2}));
}

TEST_F(KeyringModelTest, ABaselineSaysWhichKeyringsAreGone) {
    ASSERT_TRUE(feeder.in_ring("create", 1, "a"));
    ASSERT_TRUE(feeder.in_ring("link", 1, "a", 101));
    ASSERT_TRUE(feeder.record(
        "baseline-begin",
        {{"reason", "restart"},
         {"keyrings", json::array({{{"serial", 101}, {"name", feeder.text("ring101")}}})},
         {"gone", {100, 1, 55}}}));
    ASSERT_TRUE(feeder.in_ring("baseline", 1, "a", 101));
    ASSERT_TRUE(feeder.record("baseline-end", {{"keyrings", 1}, {"keys", 1}}));
    EXPECT_EQ(model.find(100), keyrings::kNone);
    EXPECT_EQ(serials_in(model, 101), Serials{1});  // 1 is no keyring
    // The serial is another one's now.
    ASSERT_TRUE(feeder.in_ring("create", 2, "b"));
    EXPECT_EQ(serials_in(model, 100), Serials{2});
    EXPECT_FALSE(feeder.record(
        "baseline-begin", {{"reason", "restart"}, {"keyrings", json::array()}, {"gone", {"x"}}}));
}

TEST_F(KeyringModelTest, WhoDidIt) {
    const json actor = {{"pid", 7},          {"tid", 7},
                        {"ppid", 1},         {"uid", 1000},
                        {"gid", 1000},       {"euid", 0},
                        {"egid", 0},         {"login_uid", 5},
                        {"session", 1},      {"comm", feeder.text("keyctl")},
                        {"kind", "process"}, {"cgroup_id", 9}};
    ASSERT_TRUE(feeder.in_ring("create", 1, "a", 100, {{"actor", actor}}));
    const auto links = model.contents(model.find(100));
    ASSERT_EQ(links.size(), 1u);
    const keyrings::Actor* who = model.link(links[0]).actor.get();
    ASSERT_NE(who, nullptr);
    EXPECT_EQ(who->comm, "keyctl");
    EXPECT_EQ(who->pid, 7u);
    EXPECT_EQ(who->login_uid, 5u);
}

TEST_F(KeyringModelTest, MalformedRecordsChangeNothing) {
    ASSERT_TRUE(feeder.in_ring("create", 1, "a"));
    EXPECT_FALSE(feeder.raw("keyscribe:create", as_bytes("x")));
    EXPECT_FALSE(feeder.record("create", json::object()));
    EXPECT_FALSE(feeder.in_ring("create", 2, "b", 100, {{"uid", -1}}));
    EXPECT_FALSE(feeder.in_ring("create", 2, "b", 100, {{"key", 1ll << 40}}));
    EXPECT_FALSE(feeder.in_ring("create", 2, "b", 100, {{"actor", 1}}));
    EXPECT_FALSE(feeder.in_ring("create", 2, "b", 100, {{"sha256", feeder.text("short")}}));
    EXPECT_FALSE(feeder.record("baseline-begin", json::object()));
    EXPECT_FALSE(feeder.record("loss", {{"first", 1}}));
    EXPECT_TRUE(feeder.record("loss", {{"first", 1}, {"last", 1}, {"count", 1}}));
    EXPECT_EQ(serials_in(model, 100), Serials{1});
}

/// The simplest model there is.
struct Reference {
    std::map<int, std::map<int, std::string>> rings;  // ring: serial: description
    void put(int ring, int key, const std::string& description) {
        std::erase_if(rings[ring], [&](const auto& one) { return one.second == description; });
        rings[ring][key] = description;
    }
};

TEST(KeyringModelProperty, AgreesWithTheSimplestModel) {
    for (const unsigned seed : {1u, 2u, 3u, 4u})
        for (const auto history :
             {keyrings::KeyringModel::History::kKeep, keyrings::KeyringModel::History::kForget}) {
            std::mt19937 random(seed);
            const auto below = [&](int n) { return static_cast<int>(random() % n); };
            keyrings::KeyringModel model(history);
            Feeder feeder(model);
            Reference reference;
            std::map<int, std::string> keys;
            int next = 1000;
            for (int step = 0; step < 5000 / testing::kStep; ++step) {
                const int ring = 100 + below(6), other = 100 + below(6);
                const int what = below(10);
                if (what < 3 || keys.empty()) {
                    const std::string description = "d" + std::to_string(below(12));
                    keys[++next] = description;
                    ASSERT_TRUE(feeder.in_ring("create", next, description, ring));
                    reference.put(ring, next, description);
                    continue;
                }
                const auto& [key, description] =
                    *std::next(keys.begin(), below(static_cast<int>(keys.size())));
                if (what < 6) {
                    ASSERT_TRUE(feeder.in_ring("link", key, description, ring));
                    reference.put(ring, key, description);
                } else if (what == 6) {
                    ASSERT_TRUE(feeder.in_ring("unlink", key, description, ring));
                    reference.rings[ring].erase(key);
                } else if (what == 7) {
                    ASSERT_TRUE(feeder.in_ring(
                        "move", key, description, ring,
                        {{"from", other},
                         {"from_name", feeder.text("ring" + std::to_string(other))}}));
                    if (ring != other) reference.rings[other].erase(key);
                    reference.put(ring, key, description);
                } else if (what == 8) {
                    ASSERT_TRUE(feeder.in_ring("destroy", key, description, 0));
                    for (auto& [_, held] : reference.rings) held.erase(key);
                    keys.erase(key);
                } else if (below(4) == 0) {
                    ASSERT_TRUE(feeder.record(
                        "clear", {{"key", ring},
                                  {"type", feeder.text("keyring")},
                                  {"description", feeder.text("ring" + std::to_string(ring))}}));
                    reference.rings[ring].clear();
                }
                for (int each = 100; each < 106; ++each) {
                    Serials expected;
                    for (const auto& [serial, _] : reference.rings[each]) expected.insert(serial);
                    ASSERT_EQ(serials_in(model, each), expected)
                        << "seed " << seed << ", step " << step << ", ring " << each;
                }
            }
            if (history == keyrings::KeyringModel::History::kForget) {
                EXPECT_LE(model.links(), 6u * 12u + 1);
            }
        }
}

TEST(KeyringModelMemory, AHundredThousandKeys) {
    constexpr int kKeys = 100'000;
    const auto before = mallinfo2();
    keyrings::KeyringModel model;
    for (int i = 0; i < kKeys; ++i) {
        const std::string description =
            "Example Corporation: a key of the usual length " + std::to_string(i);
        const std::string ring = "ring" + std::to_string(i % 100);
        const list::Event event{.operation = list::Operation::kCreate,
                                .sequence = static_cast<std::uint64_t>(i) + 1,
                                .key = {.serial = 1000 + i,
                                        .type = "asymmetric",
                                        .description = description,
                                        .keyring = {.serial = 1 + i % 100, .name = ring}},
                                .sha256 = digest_of(description)};
        ASSERT_TRUE(model.apply(event, {}));
    }
    const auto after = mallinfo2();
    const std::size_t bytes = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    RecordProperty("bytes", std::to_string(bytes));
    std::printf("%d keys: %zu bytes, %zu a key (Key %zu, Link %zu)\n", kKeys, bytes, bytes / kKeys,
                sizeof(keyrings::Key), sizeof(keyrings::Link));
#ifndef KEYSCRIBE_SANITIZED       // whose allocators mallinfo2(3) knows nothing of
    EXPECT_LE(bytes, 42u << 20);  // 440 a key
    EXPECT_GT(bytes, 10u << 20);
#endif
}

}  // namespace keyring_model_test
}  // namespace keyscribe::model
