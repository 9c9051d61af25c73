// SPDX-License-Identifier: Apache-2.0
// When the kernel is asked again what keyrings hold, and which.
#include <gtest/gtest.h>

#include "controller/host/daemon/known_keyrings.h"
#include "controller/host/daemon/unidentified_keys.h"

namespace keyscribe {
namespace looking_again_test {

using namespace std::chrono_literals;
using daemon::KnownKeyrings;
using daemon::UnidentifiedKeys;

const events::KeyringName kIma{1, ".ima"};
const events::KeyringName kOther{2, "other"};

events::KeyEvent event(ks_operation operation, std::int32_t key, events::KeyringName keyring,
                       const char* type = "asymmetric") {
    events::KeyEvent event;
    event.operation = operation;
    event.key_serial = key;
    event.key_type = type;
    event.description = "key " + std::to_string(key);
    event.keyring = std::move(keyring);
    return event;
}

TEST(KnownKeyrings, AreThoseThatEventsNameUntilTheyAreDestroyed) {
    KnownKeyrings known;
    known.add(event(KS_OP_CREATE, 10, kIma));
    events::KeyEvent nested = event(KS_OP_LINK, 3, kOther, "keyring");
    known.add(nested);
    events::KeyEvent move = event(KS_OP_MOVE, 10, kIma);
    move.from = {4, "left"};
    known.add(move);
    EXPECT_EQ(known.names(),
              (KnownKeyrings::Names{{1, ".ima"}, {2, "other"}, {3, "key 3"}, {4, "left"}}));
    known.add(event(KS_OP_DESTROY, 3, {}, "keyring"));
    EXPECT_FALSE(known.names().contains(3));
    // What the kernel says of them, a baseline has.
    events::Baseline baseline;
    baseline.keyrings = {{5, "new"}};
    baseline.gone = {4};
    known.add(baseline);
    EXPECT_EQ(known.names(), (KnownKeyrings::Names{{1, ".ima"}, {2, "other"}, {5, "new"}}));
}

events::KeyEvent as_it_stands(std::int32_t key, const events::KeyringName& keyring,
                              bool identified) {
    events::KeyEvent stands = event(KS_OP_BASELINE, key, keyring);
    if (identified)
        stands.public_key = events::PublicKey{.algorithm = "rsa", .bytes = {1}, .ids = {}};
    return stands;
}

events::Baseline baseline_of(const events::KeyringName& keyring,
                             std::vector<events::KeyEvent> keys) {
    keys.insert(keys.begin(), event(KS_OP_BASELINE, keyring.serial, {}, "keyring"));
    events::Baseline baseline;
    baseline.keyrings = {keyring};
    baseline.keys = std::move(keys);
    return baseline;
}

TEST(UnidentifiedKeys, AreThoseThatTheKernelCouldIdentify) {
    EXPECT_TRUE(daemon::lacks_identity(as_it_stands(10, kIma, false)));
    EXPECT_FALSE(daemon::lacks_identity(as_it_stands(10, kIma, true)));
    EXPECT_FALSE(daemon::lacks_identity(event(KS_OP_BASELINE, 10, kIma, "user")));
    events::KeyEvent other = as_it_stands(10, kIma, false);
    other.flags = KS_EVENT_SECRET;  // a private key: it has no public one to show
    EXPECT_FALSE(daemon::lacks_identity(other));
    other.flags = 0;
    other.key_state = KS_KEY_UNINSTANTIATED;  // it will be instantiated
    EXPECT_FALSE(daemon::lacks_identity(other));
    events::KeyEvent created = event(KS_OP_CREATE, 10, kIma);
    EXPECT_FALSE(daemon::lacks_identity(created));  // no rule wants to know
    created.flags = KS_EVENT_NO_ROOM;
    EXPECT_TRUE(daemon::lacks_identity(created));
}

TEST(UnidentifiedKeys, AreAskedForUntilTheyCanBeIdentified) {
    UnidentifiedKeys keys;
    const auto now = UnidentifiedKeys::Clock::now();
    EXPECT_FALSE(keys.due());
    events::KeyEvent created = event(KS_OP_CREATE, 10, kIma);
    created.flags = KS_EVENT_NO_ROOM;
    keys.add(created, now);
    EXPECT_TRUE(keys.are_new());
    EXPECT_EQ(keys.due(), now);  // at once
    ASSERT_EQ(keys.keyrings().size(), 1u);
    EXPECT_EQ(keys.keyrings()[0].name, ".ima");

    // One of two can be identified: that is told, and the other is asked for later and later.
    auto told = keys.news(
        baseline_of(kIma, {as_it_stands(10, kIma, true), as_it_stands(11, kIma, false)}), now);
    EXPECT_EQ(told.keyrings.size(), 1u);
    EXPECT_EQ(told.keys.size(), 3u);
    EXPECT_FALSE(keys.are_new());
    EXPECT_EQ(keys.due(), now + 1s);
    told = keys.news(
        baseline_of(kIma, {as_it_stands(10, kIma, true), as_it_stands(11, kIma, false)}), now);
    EXPECT_TRUE(told.keyrings.empty());
    EXPECT_TRUE(told.keys.empty());
    EXPECT_EQ(keys.due(), now + 2s);
    for (int i = 0; i < 10; ++i) keys.news(baseline_of(kIma, {as_it_stands(11, kIma, false)}), now);
    EXPECT_EQ(keys.due(), now + 60s);

    told = keys.news(baseline_of(kIma, {as_it_stands(11, kIma, true)}), now);
    EXPECT_EQ(told.keys.size(), 2u);
    EXPECT_FALSE(keys.due());
}

TEST(UnidentifiedKeys, AreForgottenWithTheirKeyring) {
    UnidentifiedKeys keys;
    const auto now = UnidentifiedKeys::Clock::now();
    keys.add(as_it_stands(10, kIma, false), now);
    EXPECT_TRUE(keys.news({}, now).keyrings.empty());
    EXPECT_FALSE(keys.due());
}

}  // namespace looking_again_test
}  // namespace keyscribe
