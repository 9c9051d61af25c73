// SPDX-License-Identifier: Apache-2.0
// A baseline looks at keyrings while events of before wait in the ring: they come behind it, in
// their order. What stands where in the end is what the kernel has, and whatever stood somewhere is
// remembered as having stood there.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <set>

#include "controller/keyrings/keyring_model.h"
#include "controller/list/cbor.h"
#include "support.h"
#include "tests/support/host.h"

namespace keyscribe::keyrings {
namespace late_events_test {

using nlohmann::json;
using testing::Buffer;
using testing::Host;

Sha256 payload_of(int content) { return sha256(as_bytes("payload " + std::to_string(content))); }

/// A kernel, and a daemon that writes down what it does.
class Kernel {
  public:
    explicit Kernel(unsigned seed) : random_(seed) {}

    void run() {
        for (int step = 0; step < 150; ++step) {
            operation();
            if (below(3) == 0) deliver(below(4));
            if (below(12) == 0) baseline();
        }
        deliver(1000);
        model.finish();
    }
    std::set<std::int32_t> held(int ring) const {
        std::set<std::int32_t> found;
        for (const auto& [description, key] : rings.at(ring).keys) found.insert(key);
        return found;
    }
    std::set<std::int32_t> told(int ring) const {
        std::set<std::int32_t> found;
        if (const KeyId id = model.find(ring); id != kNone)
            for (const LinkId link : model.contents(id))
                found.insert(model.key(model.link(link).key).serial);
        return found;
    }
    /// Whether the model says that this stood there.
    bool remembers(const std::string& ring, const Sha256& payload) const {
        for (LinkId id = 0; id < model.links(); ++id) {
            const Key& key = model.key(model.link(id).key);
            if (model.key(model.link(id).keyring).description == ring &&
                (key.sha256 == payload ||
                 (key.fingerprint && *key.fingerprint == sha256(Bytes(payload)))))
                return true;
        }
        return false;
    }

    struct Ring {
        std::string name;
        std::map<std::string, int> keys;  // by description
    };
    struct Held {
        std::string description;
        int content = 0;
        bool revoked = false, user = false;
    };
    std::map<int, Ring> rings{{101, {".ima", {}}}, {102, {"b", {}}}, {103, {"c", {}}}};
    std::map<int, Held> keys;
    std::vector<std::pair<std::string, Sha256>> stood;
    KeyringModel model;
    std::string log;

  private:
    int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
    int some_ring() { return 101 + below(3); }
    int some_key() {
        return keys.empty() ? 0
                            : std::next(keys.begin(), below(static_cast<int>(keys.size())))->first;
    }
    std::vector<int> holders(int key) const {
        std::vector<int> found;
        for (const auto& [serial, ring] : rings)
            for (const auto& [description, held] : ring.keys)
                if (held == key) found.push_back(serial);
        return found;
    }
    json fields(int key, int ring, const char* kind) {
        const bool itself = key < 200;
        json made = host_.key_fields(kind, key, ring == 0 ? "" : rings[ring].name, ring,
                                     itself ? rings[key].name : keys[key].description,
                                     itself           ? "keyring"
                                     : keys[key].user ? "user"
                                                      : "asymmetric");
        made["time"] = time_;
        if (ring != 0) made["keyring_uid"] = 0;
        return made;
    }
    void feed(const std::string& kind, const json& fields) {
        const std::string name = "keyscribe:" + kind;
        const Buffer buf = list::to_cbor(fields);
        log += kind + ' ' + fields["time"].dump();
        for (const char* one : {"key", "keyring", "from", "seq"})
            if (fields.contains(one)) log += ' ' + std::string(one) + ' ' + fields[one].dump();
        for (const char* one : {"sha256", "public_key"})
            if (fields.contains(one))
                log += ' ' + std::string(one) + ' ' +
                       to_hex(Bytes(fields[one].get_binary())).substr(0, 8);
        log += '\n';
        const auto fed = model.feed({.entry = entry_++, .name = name, .buf = buf});
        EXPECT_TRUE(fed) << to_string(fed.error());
    }
    void event(const char* kind, json fields) { waiting_.emplace_back(kind, std::move(fields)); }
    void deliver(int most) {
        for (; most > 0 && !waiting_.empty(); --most) {
            feed(waiting_.front().first, waiting_.front().second);
            waiting_.pop_front();
        }
    }
    json identity(int key, json made) {
        if (keys[key].user) return made;
        made["public_key"] = list::cbor_bytes(Bytes(payload_of(keys[key].content)));
        made["algorithm"] = "rsa";
        return made;
    }
    bool waits(int key) const {
        return std::ranges::any_of(waiting_,
                                   [&](const auto& one) { return one.second["key"] == key; });
    }
    void put(int ring, int key) {
        rings[ring].keys[keys[key].description] = key;
        // No baseline says what the others are: they may stay unidentified.
        if (!keys[key].user) stood.emplace_back(rings[ring].name, payload_of(keys[key].content));
    }
    void take(int ring, int key) {
        std::erase_if(rings[ring].keys, [&](const auto& one) { return one.second == key; });
    }
    void operation() {
        time_ += 10;
        const int key = some_key(), ring = some_ring();
        const std::vector<int> in = key == 0 ? std::vector<int>() : holders(key);
        const int from =
            in.empty() ? 0 : in[static_cast<std::size_t>(below(static_cast<int>(in.size())))];
        switch (below(12)) {
            case 0:
                if (from == 0) break;
                event("unlink", fields(key, from, "unlink"));
                return take(from, key);
            case 1: {
                if (from == 0 || from == ring) break;
                json made = identity(key, fields(key, ring, "move"));
                // Who does not say from where knows of no other keyring that holds it.
                if (in.size() > 1 || below(2) == 0) {
                    made["from"] = from;
                    if (below(2) == 0) made["from_name"] = Host::bytes(rings[from].name);
                }
                event("move", made);
                take(from, key);
                return put(ring, key);
            }
            case 2:
            case 3: {
                if (key == 0 || keys[key].revoked) break;
                event("link", identity(key, fields(key, ring, "link")));
                return put(ring, key);
            }
            case 4:
                if (below(3) != 0) break;
                event("clear", fields(ring, ring, "clear"));
                return rings[ring].keys.clear();
            case 5:
                if (from == 0) break;
                for (const int each : in) event("revoke", fields(key, each, "revoke"));
                keys[key].revoked = true;
                return;
            case 6: {  // the last reference is gone
                if (key == 0 || from != 0) break;
                event("destroy", fields(key, 0, "destroy"));
                keys.erase(key);
                return;
            }
            case 7:
                if (from == 0) break;
                for (const int each : in) event("setperm", fields(key, each, "setperm"));
                return;
            case 8: {  // another payload
                if (from == 0 || !keys[key].user || keys[key].revoked) break;
                keys[key].content = ++content_;
                for (const int each : in) {
                    json made = fields(key, each, "update");
                    made["seq"] = seq_;
                    made["sha256"] = list::cbor_bytes(Bytes(payload_of(content_)));
                    event("update", made);
                    put(each, key);
                }
                ++seq_;
                return;
            }
            default:
                break;
        }
        // Serials are used again, but not while records of who had them wait.
        const int made_now = 300 + below(12);
        if (keys.contains(made_now) || waits(made_now)) return;
        keys[made_now] = {.description = "d" + std::to_string(below(4)),
                          .content = ++content_,
                          .user = below(4) == 0};
        if (keys[made_now].user) keys[made_now].description += " user";
        json made = fields(made_now, ring, "create");
        made["sha256"] = list::cbor_bytes(Bytes(payload_of(content_)));
        event("create", made);
        put(ring, made_now);
    }
    /// Of some keyrings, while the last events wait.
    void baseline() {
        time_ += 10;
        const std::uint64_t begun = time_;
        std::set<int> of{some_ring()};
        if (below(2) == 0) of = {101, 102, 103};
        if (below(3) == 0) of.insert(some_ring());
        json told = json::array();
        for (const int ring : of)
            told.push_back({{"serial", ring}, {"name", Host::bytes(rings[ring].name)}, {"uid", 0}});
        std::vector<json> made;
        for (const int ring : of) {
            made.push_back(fields(ring, 0, "baseline"));
            made.back()["keyring"] = 0;
            for (const auto& [description, key] : rings[ring].keys) {
                json one = identity(key, fields(key, ring, "baseline"));
                if (keys[key].revoked) one["state"] = {"revoked"};
                made.push_back(one);
            }
            // Something happens while it looks.
            if (below(3) == 0) operation();
            ++time_;
        }
        feed("baseline-begin", {{"time", begun}, {"reason", "order"}, {"keyrings", told}});
        for (const json& one : made) feed("baseline", one);
        feed("baseline-end", {{"time", begun}, {"keyrings", of.size()}, {"keys", made.size()}});
    }

    std::mt19937 random_;
    Host host_;
    std::deque<std::pair<const char*, json>> waiting_;
    std::uint64_t time_ = 0, entry_ = 0;
    std::uint64_t seq_ = 1'000'000;
    int content_ = 0;
};

/// A serial that is used again, for a key of the same name.
TEST(LateEvents, AreOfTheKeyThatHadTheSerialThen) {
    Host host;
    KeyringModel model;
    const auto tell = [&](const std::string& kind, const json& fields) {
        const Buffer buf = list::to_cbor(fields);
        ASSERT_TRUE(model.feed({.name = "keyscribe:" + kind, .buf = buf}));
    };
    const auto key = [&](const char* kind, int time, int ring, int content) {
        json made = host.key_fields(kind, 300, ring == 101 ? ".ima" : "b", ring, "d");
        made["time"] = time;
        made["public_key"] = list::cbor_bytes(Bytes(payload_of(content)));
        made["algorithm"] = "rsa";
        return made;
    };
    tell("baseline-begin", {{"time", 100},
                            {"reason", "order"},
                            {"keyrings", {{{"serial", 102}, {"name", Host::bytes("b")}}}}});
    tell("baseline", key("baseline", 100, 102, 2));
    tell("baseline-end", {{"time", 100}, {"keyrings", 1}, {"keys", 1}});
    tell("link", key("link", 50, 101, 1));
    model.finish();
    std::vector<Sha256> found;
    for (LinkId id = 0; id < model.links(); ++id)
        if (model.key(model.link(id).keyring).description == ".ima")
            found.push_back(*model.key(model.link(id).key).fingerprint);
    EXPECT_EQ(found, std::vector{sha256(Bytes(payload_of(1)))});
}

TEST(LateEvents, LeaveWhatABaselineSays) {
    unsigned seeds = 200 / testing::kStep;
    if (const char* wanted = std::getenv("LATE_SEEDS"))
        seeds = static_cast<unsigned>(std::atoi(wanted));
    for (unsigned seed = 1; seed <= seeds; ++seed) {
        Kernel kernel(seed);
        kernel.run();
        for (const auto& [serial, ring] : kernel.rings)
            EXPECT_EQ(kernel.told(serial), kernel.held(serial)) << ring.name;
        for (const auto& [ring, payload] : kernel.stood)
            EXPECT_TRUE(kernel.remembers(ring, payload)) << ring << ' ' << to_hex(payload);
        if (::testing::Test::HasFailure()) FAIL() << "seed " << seed << '\n' << kernel.log;
    }
}

}  // namespace late_events_test
}  // namespace keyscribe::keyrings
