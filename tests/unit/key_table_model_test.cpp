// SPDX-License-Identifier: Apache-2.0
// The daemon's key table and the model that reads the list say the same of who stands where, after
// each of many random events that the policy measures. The table is a ledger of its own, since it
// must also know of events that no rule wants: a policy may name their keyrings later.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>
#include <set>

#include "controller/host/events/key_table.h"
#include "controller/host/measure/event_writer.h"
#include "controller/host/settings/policy_loader.h"
#include "controller/keyrings/keyring_model.h"

namespace keyscribe {
namespace key_table_model_test {

constexpr int kKeyrings = 4, kEvents = 400;
using Members = std::map<std::int32_t, std::set<std::int32_t>>;

class Story {
  public:
    explicit Story(unsigned seed) : random_(seed) {}

    /// The next event: on one of a few keys, which are often of one description.
    events::KeyEvent next() {
        events::KeyEvent event;
        event.sequence = ++sequence_;
        event.boot_time_ns = sequence_ * 1'000'000;
        event.key_uid = event.keyring_uid = event.from_uid = 0;
        static constexpr ks_operation kKinds[] = {
            KS_OP_CREATE, KS_OP_CREATE, KS_OP_CREATE,   KS_OP_LINK,        KS_OP_LINK,
            KS_OP_UNLINK, KS_OP_MOVE,   KS_OP_CLEAR,    KS_OP_REVOKE,      KS_OP_INVALIDATE,
            KS_OP_UPDATE, KS_OP_REJECT, KS_OP_TIMEOUT,  KS_OP_SETPERM,     KS_OP_CHOWN,
            KS_OP_LINK,   KS_OP_LINK,   KS_OP_RESTRICT, KS_OP_INSTANTIATE, KS_OP_DESTROY};
        event.operation = kKinds[below(std::size(kKinds))];
        if (keys_.empty()) event.operation = KS_OP_CREATE;
        if (event.operation == KS_OP_CREATE) return create(std::move(event));
        if (event.operation == KS_OP_CLEAR || event.operation == KS_OP_RESTRICT)
            return on_keyring(std::move(event), true);
        if (ends_keyring(event.operation) && below(4) == 0)
            return on_keyring(std::move(event), false);
        const std::size_t which = below(keys_.size());
        event.key_serial = keys_[which].serial;
        event.key_type = "user";
        event.description = keys_[which].description;
        switch (event.operation) {
            case KS_OP_MOVE: {
                const std::int32_t from = keyring();
                event.from = {from, name(from)};
                event.keyring = another(from);
                break;
            }
            case KS_OP_LINK:
            case KS_OP_UNLINK:
            case KS_OP_REJECT:
            case KS_OP_INSTANTIATE:
                event.keyring = another(0);
                break;
            case KS_OP_DESTROY:
                keys_.erase(keys_.begin() + static_cast<std::ptrdiff_t>(which));
                break;
            default:
                break;
        }
        return event;
    }

  private:
    struct One {
        std::int32_t serial;
        std::string description;
    };

    static bool ends_keyring(ks_operation operation) {
        return operation == KS_OP_REVOKE || operation == KS_OP_INVALIDATE ||
               operation == KS_OP_DESTROY;
    }
    /// In itself: cleared or restricted. Else it ends, and one of its name takes its place.
    events::KeyEvent on_keyring(events::KeyEvent event, bool in_itself) {
        std::int32_t& ring = keyrings_[below(kKeyrings)];
        event.key_serial = ring;
        event.key_type = "keyring";
        event.description = name(ring);
        if (in_itself) event.keyring = {ring, name(ring)};
        if (!in_itself) ring += kKeyrings;
        return event;
    }
    events::KeyEvent create(events::KeyEvent event) {
        // A serial that is free is used again at times.
        event.key_serial =
            below(4) == 0 && next_ > 110 ? static_cast<std::int32_t>(100 + below(10)) : next_++;
        for (const One& one : keys_)
            if (one.serial == event.key_serial) event.key_serial = next_++;
        event.key_type = "user";
        event.description = "d" + std::to_string(below(5));
        event.keyring = another(0);
        keys_.push_back({event.key_serial, event.description});
        return event;
    }
    std::size_t below(std::size_t bound) { return random_() % bound; }
    std::int32_t keyring() { return keyrings_[below(kKeyrings)]; }
    static std::string name(std::int32_t ring) { return "ring" + std::to_string(ring % kKeyrings); }
    events::KeyringName another(std::int32_t than) {
        for (;;)
            if (const std::int32_t ring = keyring(); ring != than) return {ring, name(ring)};
    }

    std::mt19937 random_;
    std::vector<One> keys_;
    std::array<std::int32_t, kKeyrings> keyrings_{1001, 1002, 1003, 1004};
    std::int32_t next_ = 100;
    std::uint64_t sequence_ = 0;
};

Members members_of(const keyrings::KeyringModel& model) {
    Members members;
    for (const keyrings::KeyId ring : model.keyrings())
        for (const keyrings::LinkId link : model.contents(ring))
            members[model.key(ring).serial].insert(model.key(model.link(link).key).serial);
    return members;
}

Members members_of(const events::KeyTable& table, std::int32_t keys) {
    Members members;
    for (std::int32_t key = 100; key < keys; ++key)
        for (const events::KeyringName& holder : table.holders(key))
            members[holder.serial].insert(key);
    return members;
}

class Stories : public ::testing::TestWithParam<unsigned> {};

TEST_P(Stories, TableAndModelAgreeAfterEachEvent) {
    const auto policy =
        settings::policy_of({{"10.policy", "measure func=KEY_CHECK key_type=* op=all\n"}});
    ASSERT_TRUE(policy) << to_string(policy.error());
    Story story(GetParam());
    events::KeyTable table(1000);
    keyrings::KeyringModel model;
    std::uint32_t entry = 0;
    for (int number = 0; number < kEvents; ++number) {
        const events::KeyEvent event = story.next();
        for (const auto& where : measure::judge_event(event, policy->policy, table))
            for (const auto& written : measure::write_event(event, where, 13, table)) {
                const auto done =
                    model.feed({.entry = entry++, .name = written.name, .buf = written.buf});
                ASSERT_TRUE(done) << to_string(done.error());
            }
        table.take(event);
        ASSERT_EQ(members_of(table, 100 + kEvents), members_of(model))
            << "event " << number << ", operation " << event.operation << " of key "
            << event.key_serial << " in " << event.keyring.serial;
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Stories, ::testing::Range(1u, 21u));

}  // namespace key_table_model_test
}  // namespace keyscribe
