// SPDX-License-Identifier: Apache-2.0
// Who stands where has one answer: of `keyscribe keyrings` (the KeyringModel), of the verdict, and
// of the report.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "controller/keyrings/keyring_model.h"
#include "controller/list/template_data.h"
#include "controller/service/appraise/judge.h"
#include "controller/service/report/key_view.h"
#include "support.h"
#include "tests/support/host.h"

namespace keyscribe::report {
namespace who_stands_where_test {

using appraise::Verdict;
using appraise::Weight;
using nlohmann::json;
using testing::Buffer;
using testing::Host;

constexpr const char* kIma = ".ima";

/// A host, and the three answers about it.
struct Answers {
    Host host;
    appraise::Basis basis;
    appraise::Appraisal appraisal;
    Buffer bytes;

    explicit Answers(const std::string& rules = "measure func=KEY_CHECK\n") {
        host.rules = rules;
        EXPECT_TRUE(basis.references.add(host.builtin, "build.der"));
        EXPECT_TRUE(basis.references.add(host.ima, "signer.der"));
        host.good();
    }
    json ring_record(const char* kind, std::string_view ring, int serial) {
        json fields = host.key_fields(kind, serial, "", 0, ring, "keyring");
        return fields;
    }
    void ask() {
        bytes = host.encoded();
        const auto key = appraise::AttestationKey::from_pem(host.quote.pem());
        ASSERT_TRUE(key);
        appraisal = appraise::appraise({.evidence = bytes,
                                        .nonce = host.quote.nonce,
                                        .keys = {&*key, 1},
                                        .now = std::time(nullptr)},
                                       basis);
        ASSERT_NE(appraisal.model, nullptr);
    }
    bool found(std::string_view code) const {
        return std::ranges::any_of(appraisal.findings, [&](const appraise::Finding& finding) {
            return finding.code == code && finding.weight == Weight::kContraindicates;
        });
    }
    /// Serials in a keyring, as `keyscribe keyrings` shows them.
    std::set<std::int32_t> serials(int ring) const {
        keyrings::KeyringModel model;
        EXPECT_TRUE(list::for_each_record(Bytes(host.list.bytes),
                                          [&](const auto& record) { (void)model.feed(record); }));
        model.finish();
        std::set<std::int32_t> found;
        if (const auto id = model.find(ring); id != keyrings::kNone)
            for (const auto link : model.contents(id))
                found.insert(model.key(model.link(link).key).serial);
        return found;
    }
    /// Whether the report shows the key in red.
    bool is_red(int serial) const {
        const Story story(appraisal);
        bool red = false;
        for (keyrings::LinkId id = 0; id < appraisal.model->links(); ++id) {
            const auto& link = appraisal.model->link(id);
            if (appraisal.model->key(link.key).serial == serial)
                red = red || view_of({story, basis, std::time(nullptr)}, id).contraindicated;
        }
        return red;
    }
};

// The five lists of which the copies gave two answers.

TEST(WhoStandsWhere, AKeyringThatWasRevokedHoldsNoRequiredKey) {
    Answers answers;
    answers.basis.policy.keys.required = {"signer.der"};
    answers.host.list.record("revoke", answers.ring_record("revoke", kIma, 101));
    answers.ask();
    EXPECT_TRUE(answers.serials(101).empty());
    EXPECT_EQ(answers.appraisal.verdict, Verdict::kContraindicated);
    EXPECT_TRUE(answers.found("key-missing"));
}

TEST(WhoStandsWhere, ASignerOfAKeyringThatWasEmptiedVouchesNoMore) {
    const char* kBuiltin = ".builtin_trusted_keys";
    const auto of_key = [&](Answers& answers, const char* kind) {
        return answers.host.key_fields(kind, 200, kBuiltin, 100, "Build key: 00");
    };
    for (const std::string kind :
         {"clear", "revoke", "invalidate", "destroy", "key revoke", "key invalidate", "key destroy",
          "key unlink", "key move", "key displaced"}) {
        Answers answers;
        if (!kind.starts_with("key ")) {
            answers.host.list.record(kind, answers.ring_record(kind.c_str(), kBuiltin, 100));
        } else if (kind == "key move") {
            json fields = answers.host.key_fields("move", 200, "staging", 900, "Build key: 00");
            fields["from"] = 100;
            fields["from_name"] = Host::bytes(kBuiltin);
            answers.host.list.record("move", fields);
        } else if (kind == "key displaced") {
            answers.host.key(kBuiltin, answers.host.ima, 201, "Build key: 00");
        } else {
            answers.host.list.record(kind.substr(4), of_key(answers, kind.substr(4).c_str()));
        }
        const Buffer leaf = testing::certificate(Host::shared_key(3).get(), "Leaf",
                                                 answers.host.builtin_key.get(), "Build key");
        EXPECT_TRUE(answers.basis.references.add(leaf, "leaf.der"));
        answers.host.key(kIma, leaf, 301, "Leaf: 1");
        answers.ask();
        // A revoked key is shown, and marked.
        if (kind != "key revoke" && kind != "key invalidate")
            EXPECT_FALSE(answers.serials(100).contains(200)) << kind;
        EXPECT_TRUE(answers.found("chain-order")) << kind;
        EXPECT_TRUE(answers.is_red(301)) << kind;
    }
}

TEST(WhoStandsWhere, ARevokedKeyIsAsBadInTheReportAsInTheVerdict) {
    for (const bool allowed : {false, true}) {
        Answers answers;
        answers.basis.policy.keys.allow_revoked = allowed;
        answers.host.event("revoke", 300, kIma, "File signer: 11");
        answers.ask();
        EXPECT_EQ(answers.appraisal.verdict,
                  allowed ? Verdict::kAffirmed : Verdict::kContraindicated);
        EXPECT_EQ(answers.is_red(300), !allowed);
    }
}

TEST(WhoStandsWhere, AKeyWhoseTimeoutIsOverIsRed) {
    Answers answers;
    json fields = answers.host.key_fields("timeout", 300, kIma, 101, "File signer: 11");
    fields["expiry"] = 1000;
    answers.host.list.record("timeout", fields);
    answers.ask();
    EXPECT_EQ(answers.appraisal.verdict, Verdict::kContraindicated);
    EXPECT_TRUE(answers.found("key-expired"));
    EXPECT_TRUE(answers.is_red(300));
}

TEST(WhoStandsWhere, AKeyringThatARuleNamesIsWatchedThoughItCameLater) {
    for (const bool named : {true, false}) {
        Answers answers(named ? "measure func=KEY_CHECK keyrings=.ima|.late\n"
                              : "measure func=KEY_CHECK keyrings=.ima\n");
        answers.host.list.record(
            "create", answers.host.key_fields("create", 500, kIma, 101, ".late", "keyring"));
        answers.ask();
        EXPECT_EQ(answers.found("keyring-unwatched"), !named);
    }
}

/// A baseline reaches the keyring; what comes into it later no program sees.
TEST(WhoStandsWhere, ALinkedKeyringThatNoRuleNamesStaysUnwatchedAfterAReloadARestartAndALoss) {
    for (const std::string reason : {"policy", "restart", "loss"}) {
        const std::string rules = "measure func=KEY_CHECK keyrings=.ima|.builtin_trusted_keys\n";
        Answers answers(rules);
        answers.basis.policy.host.allow_restart = true;
        auto& list = answers.host.list;
        if (reason == "restart") {
            json again = Host::speaker();
            again["entries"] = list.entries;
            list.record("restart", again);
        }
        if (reason == "loss")
            list.record("loss", {{"first", 5}, {"last", 7}, {"count", 3}});
        else
            list.record("policy", Host::policy(rules, 2));
        list.record("baseline-begin",
                    {{"time", 3},
                     {"reason", reason},
                     {"keyrings",
                      {{{"serial", 101}, {"name", Host::bytes(kIma)}, {"rule", true}},
                       {{"serial", 500}, {"name", Host::bytes("staging")}, {"rule", false}}}}});
        list.record("baseline",
                    answers.host.key_fields("baseline", 500, kIma, 101, "staging", "keyring"));
        list.record("baseline-end", {{"time", 4}, {"keyrings", 2}, {"keys", 1}});
        answers.ask();
        EXPECT_TRUE(answers.found("keyring-unwatched")) << reason;
    }
}

TEST(WhoStandsWhere, ASerialThatIsUsedAgainIsNotThatOfAKeyringThatARuleNames) {
    Answers answers("measure func=KEY_CHECK keyrings=.ima|demo\n");
    answers.host.list.record(
        "baseline-begin",
        {{"time", 3},
         {"reason", "policy"},
         {"keyrings", {{{"serial", 500}, {"name", Host::bytes("demo")}, {"rule", true}}}}});
    answers.host.list.record("baseline-end", {{"time", 4}, {"keyrings", 1}, {"keys", 0}});
    answers.host.list.record("destroy",
                             answers.host.key_fields("destroy", 500, "", 0, "demo", "keyring"));
    answers.host.list.record("link",
                             answers.host.key_fields("link", 500, kIma, 101, "hidden", "keyring"));
    answers.ask();
    EXPECT_TRUE(answers.found("keyring-unwatched"));
}

// How a key leaves.

TEST(WhoStandsWhere, AKeyLeavesInEachWayThatTheKernelHas) {
    const std::pair<const char*, std::function<void(Answers&)>> ways[] = {
        {"moved, from where is told",
         [](Answers& a) {
             json fields = a.host.key_fields("move", 300, "staging", 900, "File signer: 11");
             fields["from"] = 101;
             fields["from_name"] = Host::bytes(kIma);
             a.host.list.record("move", fields);
         }},
        {"moved, and from where is not told",
         [](Answers& a) {
             a.host.list.record("move",
                                a.host.key_fields("move", 300, "staging", 900, "File signer: 11"));
         }},
        {"displaced", [](Answers& a) { a.host.key(kIma, a.host.builtin, 301, "File signer: 11"); }},
        {"displaced by a negative key",
         [](Answers& a) {
             json fields = a.host.key_fields("reject", 301, kIma, 101, "File signer: 11");
             fields["error"] = 126;
             a.host.list.record("reject", fields);
         }},
        {"revoked", [](Answers& a) { a.host.event("revoke", 300, kIma, "File signer: 11"); }},
        {"invalidated",
         [](Answers& a) { a.host.event("invalidate", 300, kIma, "File signer: 11"); }},
        {"destroyed", [](Answers& a) { a.host.event("destroy", 300, kIma, "File signer: 11"); }},
        {"its keyring's timeout is over",
         [](Answers& a) {
             json fields = a.ring_record("timeout", kIma, 101);
             fields["expiry"] = 1000;
             a.host.list.record("timeout", fields);
         }},
        {"a baseline does not have it", [](Answers& a) {
             a.host.list.record("baseline-begin",
                                {{"time", 20},
                                 {"reason", "order"},
                                 {"keyrings", {{{"serial", 101}, {"name", Host::bytes(kIma)}}}}});
             a.host.list.record("baseline-end", {{"time", 20}, {"keyrings", 1}, {"keys", 0}});
             // It was created before the baseline began, and told of behind it.
             a.host.key(kIma, a.host.ima, 300, "File signer: 11");
         }}};
    for (const auto& [name, way] : ways) {
        Answers answers;
        answers.basis.policy.keys.required = {"signer.der"};
        answers.basis.policy.keyrings.watched = {".*"};
        way(answers);
        answers.ask();
        EXPECT_TRUE(answers.found("key-missing")) << name;
    }
}

TEST(WhoStandsWhere, AUsersNamesakeNeitherHidesNorDenies) {
    const auto in = [](Answers& a, const char* kind, int serial, unsigned uid, Bytes payload) {
        a.host.list.buf("_ima", payload);
        json fields = a.host.key_fields(kind, serial, "_ima", uid == 0 ? 901 : 902, "x");
        fields["keyring_uid"] = uid;
        fields["plain"] = true;
        fields["sha256"] = list::cbor_bytes(hash(Algorithm::kSha256, payload));
        a.host.list.record(kind, fields);
    };
    const Buffer rogue = testing::certificate(Host::shared_key(3).get(), "Rogue",
                                              Host::shared_key(3).get(), "Rogue");
    Answers mine;
    in(mine, "create", 700, 1000, rogue);
    mine.ask();
    EXPECT_EQ(mine.appraisal.verdict, Verdict::kAffirmed) << "what a user has is the user's";
    Answers roots;
    in(roots, "create", 700, 1000, rogue);
    in(roots, "create", 701, 0, rogue);
    roots.ask();
    EXPECT_TRUE(roots.found("key-unknown"));
    EXPECT_TRUE(roots.is_red(701));
    EXPECT_FALSE(roots.is_red(700));
    Answers chosen;
    chosen.basis.policy.keyrings.owners = {0, 1000};
    in(chosen, "create", 700, 1000, rogue);
    chosen.ask();
    EXPECT_TRUE(chosen.found("key-unknown"));
}

TEST(WhoStandsWhere, ANamedKeyringMustBeMeasured) {
    const std::pair<const char*, bool> policies[] = {
        {"measure func=KEY_CHECK keyrings=.ima|.machine\n", true},
        {"measure func=KEY_CHECK\n", true},
        {"measure func=KEY_CHECK keyrings=.machine\n", false},
        {"measure func=KEY_CHECK keyrings=.ima uid=0\n", false},
        {"measure func=KEY_CHECK keyrings=.ima key_type=user\n", false},
        {"measure func=KEY_CHECK keyrings=.ima op=unlink\n", false},
        {"dont_measure func=KEY_CHECK keyrings=.ima\nmeasure func=KEY_CHECK\n", false},
        {"measure func=KEY_CHECK keyrings=.ima\ndont_measure func=KEY_CHECK\n", true}};
    for (const auto& [text, covered] : policies) {
        Answers answers(text);
        answers.basis.policy.keyrings.watched = {".ima"};
        answers.ask();
        EXPECT_EQ(answers.found("keyring-unmeasured"), !covered) << text;
    }
}

// Random lists.

/// The simplest model there is: what stands where, and nothing of how it came.
struct Simple {
    struct Ring {
        std::string name;
        unsigned uid;
        bool gone = false;
        std::map<std::string, int> keys;  // by description
    };
    std::map<int, Ring> rings;
    std::map<int, std::string> keys;  // descriptions of those that live
    std::set<int> dead;               // revoked, invalidated or negative

    void put(int ring, int key) { rings[ring].keys[keys[key]] = key; }
    void take(int ring, int key) {
        std::erase_if(rings[ring].keys, [&](const auto& one) { return one.second == key; });
    }
    std::set<std::int32_t> serials(int ring) const {
        std::set<std::int32_t> found;
        for (const auto& [description, key] : rings.at(ring).keys) found.insert(key);
        return found;
    }
};

/// Makes a random list, and says after each of its entries what stands where.
class RandomList {
  public:
    explicit RandomList(unsigned seed) : random_(seed) {
        now.rings = {
            {101, {kIma, 0}}, {102, {".machine", 0}}, {103, {"_ima", 0}}, {104, {"_ima", 1000}}};
        host.list.aggregate(Host::aggregate_of(host.firmware()));
        host.list.record("start", Host::speaker());
        host.list.record("policy", {{"digest", list::cbor_bytes(list::policy_digest({}))},
                                    {"generation", 1},
                                    {"files", json::array()}});
        while (snapshots.size() < host.list.entries) snapshots.push_back(now);
        for (int step = 0; step < 120; ++step) {
            operation();
            if (below(4) != 0) flush();
        }
        flush();
    }

    Host host;
    Simple now;
    std::vector<Simple> snapshots;  // by entry

  private:
    int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
    int some_ring() {
        for (;;)
            if (const int ring = 101 + below(4); !now.rings[ring].gone) return ring;
    }
    int some_key() {
        if (now.keys.empty()) return 0;
        return std::next(now.keys.begin(), below(static_cast<int>(now.keys.size())))->first;
    }
    static int holder(const Simple& simple, int key) {
        for (const auto& [serial, ring] : simple.rings)
            for (const auto& [description, held] : ring.keys)
                if (held == key) return serial;
        return 0;
    }
    json fields(const char* kind, int key, int ring, std::string_view type = "asymmetric") {
        const bool itself = key >= 101 && key <= 104;
        json made = host.key_fields(
            kind, key, ring == 0 ? "" : std::string_view(now.rings[ring].name), ring,
            itself ? std::string_view(now.rings[key].name) : std::string_view(now.keys[key]),
            itself ? "keyring" : type);
        made["time"] = time_ += 10;
        if (ring != 0) made["keyring_uid"] = now.rings[ring].uid;
        if (itself) made["uid"] = now.rings[key].uid;
        return made;
    }
    void add(const std::string& kind, const json& fields) {
        pending_.emplace_back("keyscribe:" + kind, list::to_cbor(fields));
    }
    /// One record an entry, or all of them in a batch.
    void flush() {
        if (below(2) == 0 && pending_.size() > 1) {
            json entries = json::array();
            for (const auto& [name, buf] : pending_)
                entries.push_back({Host::bytes(name), list::cbor_bytes(buf)});
            host.list.record("batch", {{"entries", entries}});
            snapshots.push_back(now);
        } else {
            for (std::size_t i = 0; i < pending_.size(); ++i) {
                host.list.buf(pending_[i].first, pending_[i].second);
                // Between those that belong together nobody looks.
                snapshots.push_back(i + 1 == pending_.size() ? now : Simple{});
            }
        }
        pending_.clear();
    }
    void create(int ring) {
        const int key = ++next_;
        now.keys[key] = "d" + std::to_string(below(6));
        const std::string payload = "payload " + std::to_string(key);
        json made = fields("create", key, ring);
        made["sha256"] = list::cbor_bytes(hash(Algorithm::kSha256, as_bytes(payload)));
        if (below(2) == 0) {
            pending_.emplace_back(list::ima_event_name(now.rings[ring].name),
                                  Buffer(payload.begin(), payload.end()));
            made["plain"] = true;
        }
        add("create", made);
        now.put(ring, key);
    }
    void baseline() {
        const int ring = some_ring();
        const std::uint64_t begun = time_ += 10;
        add("baseline-begin", {{"time", begun},
                               {"reason", "order"},
                               {"keyrings",
                                {{{"serial", ring},
                                  {"name", Host::bytes(now.rings[ring].name)},
                                  {"uid", now.rings[ring].uid}}}}});
        // What was not told of before: a key that came, and one that went.
        if (below(3) == 0 && !now.rings[ring].keys.empty())
            now.rings[ring].keys.erase(now.rings[ring].keys.begin());
        int unseen = 0;
        if (below(3) == 0) {
            unseen = ++next_;
            now.keys[unseen] = "d" + std::to_string(below(6));
            now.put(ring, unseen);
        }
        for (const auto& [description, key] : now.rings[ring].keys) {
            json made = fields("baseline", key, ring);
            if (key == unseen) {
                made["public_key"] = Host::bytes("bits " + std::to_string(key));
                made["algorithm"] = "rsa";
            }
            if (now.dead.contains(key)) made["state"] = {"revoked"};
            add("baseline", made);
        }
        add("baseline-end",
            {{"time", time_ += 10}, {"keyrings", 1}, {"keys", now.rings[ring].keys.size()}});
        // Older than that, and behind it.
        if (below(2) == 0) {
            const int old = ++next_;
            now.keys[old] = "d" + std::to_string(below(6));
            json made = fields("create", old, ring);
            made["time"] = begun - 1;
            made["sha256"] = list::cbor_bytes(hash(Algorithm::kSha256, as_bytes("old")));
            add("create", made);
            now.keys.erase(old);
        }
    }
    void operation() {
        const int key = some_key(), ring = some_ring(), from = holder(now, key);
        switch (below(16)) {
            case 0:
                if (from == 0) break;
                add("unlink", fields("unlink", key, from));
                return now.take(from, key);
            case 1: {
                if (from == 0 || from == ring) break;
                json made = fields("move", key, ring);
                made["from"] = from;
                if (below(2) == 0) made["from_name"] = Host::bytes(now.rings[from].name);
                add("move", made);
                now.take(from, key);
                return now.put(ring, key);
            }
            case 2:
                if (key == 0 || now.dead.contains(key)) break;
                add("link", fields("link", key, ring));
                return now.put(ring, key);
            case 3:
                add("clear", fields("clear", ring, ring));
                return now.rings[ring].keys.clear();
            case 4:
                if (key == 0) break;
                add("destroy", fields("destroy", key, from));
                for (auto& [serial, one] : now.rings) now.take(serial, key);
                now.keys.erase(key);
                now.dead.erase(key);
                return;
            case 5:
                if (from == 0 || now.dead.contains(key)) break;
                add("revoke", fields("revoke", key, from));
                now.dead.insert(key);
                return;
            case 6: {
                const int negative = ++next_;
                now.keys[negative] = "d" + std::to_string(below(6));
                json made = fields("reject", negative, ring);
                made["error"] = 126;
                add("reject", made);
                now.dead.insert(negative);
                return now.put(ring, negative);
            }
            case 7:
                if (below(6) != 0 || ring == 101) break;
                add("revoke", fields("revoke", ring, 0));
                now.rings[ring].gone = true;
                return now.rings[ring].keys.clear();
            case 8:
                return baseline();
            case 9:
                return add("loss", {{"first", 1}, {"last", 1}, {"count", 1}});
            case 10: {  // the end of the former key was not told
                if (key == 0) break;
                for (auto& [serial, one] : now.rings) now.take(serial, key);
                now.dead.erase(key);
                json made = fields("create", key, ring);
                made["sha256"] = list::cbor_bytes(
                    hash(Algorithm::kSha256, as_bytes("again " + std::to_string(time_))));
                add("create", made);
                return now.put(ring, key);
            }
            case 11:
                if (key == 0 || from == 0) break;
                add("setperm", fields("setperm", key, from));
                return;
            default:
                break;
        }
        create(ring);
    }

    std::mt19937 random_;
    std::vector<std::pair<std::string, Buffer>> pending_;
    std::uint64_t time_ = 0;
    int next_ = 1000;
};

std::set<std::int32_t> serials_in(const keyrings::KeyringModel& model, int ring) {
    std::set<std::int32_t> found;
    if (const auto id = model.find(ring); id != keyrings::kNone)
        for (const auto link : model.contents(id))
            found.insert(model.key(model.link(link).key).serial);
    return found;
}

TEST(WhoStandsWhere, EverybodyAgreesOnRandomLists) {
    std::size_t compared = 0;
    for (unsigned seed = 1; seed <= 300 / testing::kStep; ++seed) {
        const RandomList made(seed);
        keyrings::KeyringModel model;
        const appraise::AppraisalPolicy policy;
        const appraise::ReferenceValues references;
        const appraise::BlockedKeys blocked;
        appraise::Findings findings;
        appraise::Judge judge(policy, references, blocked, 0, nullptr, findings);
        judge.set_list({}, made.host.list.bytes);
        list::ListReader reader(made.host.list.bytes);
        for (std::uint64_t number = 0;; ++number) {
            const auto entry = reader.next();
            ASSERT_TRUE(entry);
            if (!*entry) break;
            auto records = list::Unfolded::of(**entry, number);
            ASSERT_TRUE(records);
            while (const auto record = records->next()) {
                const auto fed = model.feed(*record);
                ASSERT_TRUE(fed) << to_string(fed.error());
            }
            const auto fields =
                list::decode_fields((*entry)->template_name, (*entry)->template_data);
            ASSERT_TRUE(fields);
            judge.entry(number, **entry, *fields, 0);
            for (const auto& [serial, ring] : made.snapshots[number].rings) {
                const auto expected = made.snapshots[number].serials(serial);
                ASSERT_EQ(serials_in(model, serial), expected)
                    << "seed " << seed << ", entry " << number << ", ring " << serial;
                ASSERT_EQ(serials_in(*judge.model(), serial), expected)
                    << "seed " << seed << ", entry " << number << ", ring " << serial;
                ++compared;
            }
        }
        const evidence::Evidence nothing;
        const appraise::FirmwareCheck firmware(nothing, policy, findings);
        judge.finish(appraise::FirmwareKeys(firmware, policy, nullptr, findings));
        // What the judge takes for standing and of use.
        std::multiset<std::pair<std::string, std::int32_t>> standing, expected;
        for (const appraise::Presence& presence : judge.keys().presences())
            if (presence.judged && presence.until == keyrings::Place{})
                standing.emplace(presence.ring,
                                 judge.model()->key(judge.model()->link(presence.link).key).serial);
        for (const auto& [serial, ring] : made.now.rings)
            for (const auto& [description, key] : ring.keys)
                if (ring.uid == 0 && !made.now.dead.contains(key)) expected.emplace(ring.name, key);
        EXPECT_EQ(standing, expected) << "seed " << seed;
    }
    std::printf("%zu keyrings compared\n", compared);
}

/// The report draws what the verdict is of.
TEST(WhoStandsWhere, TheReportDrawsTheSame) {
    for (unsigned seed = 1; seed <= 8; ++seed) {
        RandomList made(seed);
        const Buffer bytes = made.host.encoded();
        const auto key = appraise::AttestationKey::from_pem(made.host.quote.pem());
        ASSERT_TRUE(key);
        const appraise::Appraisal appraisal = appraise::appraise(
            {.evidence = bytes, .nonce = made.host.quote.nonce, .keys = {&*key, 1}, .now = 1000},
            appraise::Basis{});
        ASSERT_NE(appraisal.model, nullptr) << appraisal.findings.front().sentence;
        const Story story(appraisal);
        for (const auto& [serial, ring] : made.now.rings)
            EXPECT_EQ(serials_in(story.model(), serial), made.now.serials(serial)) << seed;
        ASSERT_EQ(appraisal.verdicts.size(), appraisal.model->links());
    }
}

}  // namespace who_stands_where_test
}  // namespace keyscribe::report
