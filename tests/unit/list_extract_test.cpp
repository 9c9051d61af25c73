// SPDX-License-Identifier: Apache-2.0
// A snapshot's extract, and a kept state, against the whole list: random lists, cut anywhere,
// judged in pieces by what is kept, under bases and at times that change in between. The verdict is
// the same, and so are the findings.
#include "controller/service/appraise/list_extract.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <set>

#include "controller/keyrings/keyring_model.h"
#include "controller/list/template_data.h"
#include "controller/service/appraise/appraise.h"
#include "tests/support/setting.h"
#include "tests/unit/support.h"

namespace keyscribe::appraise {
namespace list_extract_test {

using nlohmann::json;
using testing::Buffer;
using testing::Host;

const std::int64_t kNow = std::time(nullptr);

/// Every code with each of its sentences, and the first entry that it is said of. Of a code with
/// more findings than are listed nothing but the code.
std::map<std::string, std::uint64_t> told(const Appraisal& appraisal, std::set<std::string>& full) {
    std::map<std::string, std::size_t> counts;
    for (const Finding& finding : appraisal.findings)
        if (++counts[std::string(finding.code)] >= Findings::kListed)
            full.insert(std::string(finding.code));
    std::map<std::string, std::uint64_t> all;
    for (const Finding& finding : appraisal.findings) {
        std::string key =
            std::string(finding.code) + (finding.weight == Weight::kNote ? " note" : "");
        if (!full.contains(std::string(finding.code))) key += ": " + finding.sentence;
        const std::uint64_t entry = finding.entry.value_or(0);
        const auto [at, fresh] = all.try_emplace(key, entry);
        at->second = full.contains(std::string(finding.code)) ? 0 : std::min(at->second, entry);
    }
    return all;
}

/// What stands where: what people are shown, and questions about keys are answered by.
std::multiset<std::string> standing(const Appraisal& appraisal) {
    std::multiset<std::string> all;
    if (!appraisal.model) return all;
    const keyrings::KeyringModel& model = *appraisal.model;
    for (keyrings::LinkId id = 0; id < model.links(); ++id) {
        const keyrings::Link& link = model.link(id);
        if (!link.stands) continue;
        const keyrings::Key& key = model.key(link.key);
        const KeyVerdict& verdict = appraisal.verdicts[id];
        std::string one = model.key(link.keyring).description + ' ' + std::to_string(key.serial) +
                          ' ' + key.description + ' ' + std::to_string(key.marks) + ' ' +
                          std::to_string(link.since.entry) + (verdict.judged ? " judged" : "");
        if (key.sha256) one += ' ' + to_hex(*key.sha256);
        for (const Reason& reason : verdict.reasons) one += ' ' + std::string(reason.code);
        all.insert(one);
    }
    return all;
}

/// A host whose list grows at random, out of few keys, so that lives repeat.
class RandomHost {
  public:
    explicit RandomHost(unsigned seed)
        : random_(seed),
          rings_(seed % 3 == 0 ? 1 + below(2) : 5),
          wild_(seed % 3),
          chains_(seed % 6 == 0) {
        host.quote.key = Host::shared_key(10);
        host.quote.scheme = TPM2_ALG_ECDSA;
        host.rules = "measure func=KEY_CHECK op=all\n";
        certificates = certificates_of(host);
        host.good();
        follow();
        chatter_ = below(3);
    }

    /// Some records more, each an entry or several in a batch.
    void grow(int steps) {
        for (int step = 0; step < steps; ++step) {
            operation();
            if (below(3) != 0) flush();
        }
        flush();
        follow();
    }

    int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
    /// Of 3: 0 is a host where nothing goes wrong, and little differs.
    unsigned wild() const { return wild_; }
    bool has_chains() const { return chains_; }

    Host host;
    std::vector<Buffer> certificates;

  private:
    struct Ring {
        const char* name;
        int serial;
        unsigned uid;
    };
    struct Open {
        int serial;
        Ring ring;
        std::string description;
        std::string_view type;
        int left;  // what it still goes through, as bits
    };
    static constexpr Ring kRings[] = {{".builtin_trusted_keys", 100, 0},
                                      {".ima", 101, 0},
                                      {".secondary_trusted_keys", 102, 0},
                                      {"staging", 110, 0},
                                      {"_ses", 120, 1000}};
    static constexpr Ring kNested{"nested", 133, 0};

    static std::vector<Buffer> certificates_of(const Host& host) {
        using testing::certificate;
        return {
            host.ima,
            certificate(Host::shared_key(5).get(), "Mid", host.builtin_key.get(), "Build key"),
            certificate(Host::shared_key(11).get(), "Leaf", Host::shared_key(5).get(), "Mid"),
            certificate(Host::shared_key(12).get(), "Rogue", Host::shared_key(12).get(), "Rogue"),
            host.builtin};
    }

    /// What stands where, for baselines that are right.
    void follow() {
        model_ = std::make_unique<keyrings::KeyringModel>();
        (void)list::for_each_record(Bytes(host.list.bytes),
                                    [&](const auto& record) { (void)model_->feed(record); });
    }
    json fields(const char* kind, int serial, const Ring& ring, std::string_view description,
                std::string_view type) {
        json made = host.key_fields(kind, serial, ring.name, ring.serial, description, type);
        made["time"] = odd(40) ? time_ / 2 : time_ += 10;
        if (!odd(3)) made["keyring_uid"] = ring.uid;
        if (odd(30)) made["uid"] = 1000;
        return made;
    }
    void add(std::string kind, const json& fields) {
        pending_.emplace_back("keyscribe:" + std::move(kind), list::to_cbor(fields));
    }
    void flush() {
        if (below(2) == 0 && pending_.size() > 1) {
            json entries = json::array();
            for (const auto& [name, buf] : pending_)
                entries.push_back({Host::bytes(name), list::cbor_bytes(buf)});
            host.list.record("batch", {{"entries", entries}});
        } else {
            for (const auto& [name, buf] : pending_) host.list.buf(name, buf);
        }
        pending_.clear();
    }
    /// One of `n` times, on a host that is wild.
    bool odd(int n) { return wild_ != 0 && below(wild_ == 1 ? 4 * n : n) == 0; }
    const Ring& some_ring() {
        return rings_ == 5 ? kRings[below(5)] : kRings[1 + 2 * below(rings_)];
    }

    void begin() {
        const int which = chains_                        ? 1 + below(2)
                          : wild_ == 0 && below(50) != 0 ? 2 * below(2)
                                                         : below(5);
        const Ring ring = chains_ ? kRings[which == 1 ? 2 : 1] : odd(10) ? kNested : some_ring();
        const std::string_view type = !chains_ && below(4) == 0 ? "user" : "asymmetric";
        Open one{odd(12) ? 300 + below(20) : ++next_, ring, "key " + std::to_string(which), type,
                 wild_ == 2 ? below(32) : below(2) * (8 + below(2) * below(32))};
        if (odd(6)) one.description = "d";  // it displaces others
        const char* kind = odd(20) ? "instantiate" : "create";
        json made = fields(kind, one.serial, ring, one.description, type);
        const Buffer& certificate = certificates[static_cast<std::size_t>(which)];
        switch (wild_ == 0 ? 2 + below(2) : below(5)) {
            case 0:
                break;  // nothing says what it is
            case 1:
                made["public_key"] = list::cbor_bytes(
                    testing::spki_bits(which == 4 ? host.builtin_key.get() : host.ima_key.get()));
                made["algorithm"] = "rsa";
                break;
            case 2:
                made["sha256"] = list::cbor_bytes(hash(Algorithm::kSha256, certificate));
                break;
            default:
                made["sha256"] = list::cbor_bytes(hash(Algorithm::kSha256, certificate));
                made["plain"] = true;
                pending_.emplace_back(list::ima_event_name(ring.name), certificate);
                if (odd(40)) pending_.insert(pending_.end() - 1, pending_.back());
        }
        add(odd(20) ? "link" : kind, made);
        open_.push_back(one);
    }
    void go_on(std::size_t which) {
        Open& one = open_[which];
        const auto say = [&](const char* kind, const json& more = json::object()) {
            json made = fields(kind, one.serial, one.ring, one.description, one.type);
            made.update(more);
            add(kind, made);
        };
        const int bit = one.left & -one.left;
        one.left &= ~bit;
        switch (bit) {
            case 1:
                return say("setperm");
            case 2:
                return say("timeout", {{"expiry", below(2) == 0 ? 1000 : kNow + 500 * below(4)}});
            case 4:
                return say(odd(4) ? "revoke" : "chown");
            case 8:
                return say("unlink");
            case 16:
                if (odd(3)) {
                    const Ring from = std::exchange(one.ring, some_ring());
                    if (below(2) == 0) return say("link");
                    switch (below(3)) {
                        case 0:
                            return say("move");
                        case 1:
                            return say("move", {{"from", from.serial}});
                        default:
                            return say("move", {{"from", from.serial},
                                                {"from_name", Host::bytes(from.name)}});
                    }
                }
                return;
            default:
                break;
        }
        if (!odd(12)) say("destroy");  // else its end is not told
        open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(which));
    }
    void baseline(const char* reason) {
        follow();
        const Ring& ring = below(6) == 0 ? kNested : some_ring();
        json told{{"serial", ring.serial}, {"name", Host::bytes(ring.name)}, {"uid", ring.uid}};
        if (below(2) == 0) told["rule"] = true;
        json begins{{"time", time_ += 10}, {"reason", reason}, {"keyrings", {told}}};
        if (odd(4)) begins["gone"] = {100 + below(35), 1000 + below(30)};
        if (odd(8)) {
            json first = begins;
            first["keyrings"] = json::array();
            add("baseline-begin", first);
            begins["more"] = true;
        }
        add("baseline-begin", begins);
        int keys = 0;
        if (const auto id = model_->find(ring.serial); id != keyrings::kNone)
            for (const auto link : model_->contents(id)) {
                const keyrings::Key& key = model_->key(model_->link(link).key);
                if (key.serial == 0 || odd(10)) continue;
                json made = fields("baseline", key.serial, ring, key.description,
                                   std::string_view(key.type));
                made["time"] = time_;
                if (odd(8)) made["state"] = {"revoked"};
                if (odd(8)) {
                    made["public_key"] = list::cbor_bytes(testing::spki_bits(host.ima_key.get()));
                    made["algorithm"] = "rsa";
                }
                add("baseline", made);
                ++keys;
                if (odd(12)) begin();
            }
        add("baseline-end", {{"time", time_ += 10}, {"keyrings", 1}, {"keys", keys}});
    }
    void ring_event() {
        const Ring& ring = some_ring();
        static constexpr const char* kKinds[] = {"clear", "revoke", "destroy", "chown", "setperm"};
        const char* kind = kKinds[below(10) == 0 ? below(3) : 3 + below(2)];
        json made = host.key_fields(kind, ring.serial, "", 0, ring.name, "keyring");
        made["time"] = time_ += 10;
        made["uid"] = below(8) == 0 ? 1000 - ring.uid : ring.uid;
        add(kind, made);
    }
    void rare() {
        switch (below(12)) {
            case 0:
                return add("loss", {{"first", 1}, {"last", 1}, {"count", 1}});
            case 1:
                return add("drop", {{"reason", "budget"},
                                    {"count", 3},
                                    {"first", 1},
                                    {"last", 3},
                                    {"uid", below(2) == 0 ? 0 : 1000}});
            case 2: {
                json again = Host::speaker();
                again["entries"] = 5;
                add("restart", again);
                return baseline("restart");
            }
            case 3: {
                static constexpr const char* kRules[] = {
                    "measure func=KEY_CHECK op=all\n", "measure func=KEY_CHECK\n",
                    "measure func=KEY_CHECK keyrings=.ima|.builtin_trusted_keys\n",
                    "measure func=KEY_CHECK keyrings=.ima|nested\n", "\n"};
                add("policy", Host::policy(kRules[below(5)], 2));
                return below(2) == 0 ? baseline("policy") : void();
            }
            case 4: {  // a keyring, and what stands in it
                static constexpr const char* kKinds[] = {"create", "link", "unlink", "destroy"};
                const char* kind = kKinds[below(4)];
                const bool hidden = below(2) == 0;
                const Ring& in = some_ring();
                json made = host.key_fields(kind, hidden ? 130 + below(3) : kNested.serial, in.name,
                                            in.serial, hidden ? "hidden" : kNested.name, "keyring");
                made["time"] = time_ += 10;
                if (below(3) == 0) made["uid"] = 1000;
                return add(kind, made);
            }
            case 5: {  // a key's serial, said to be a keyring's
                if (open_.empty()) return;
                const int serial =
                    open_[static_cast<std::size_t>(below(static_cast<int>(open_.size())))].serial;
                const Ring ring{below(2) == 0 ? ".ima" : "other", serial, 0};
                return add("create", fields("create", ++next_, ring, "x", "asymmetric"));
            }
            case 6:  // a payload that a record behind another one asks for
                pending_.emplace_back("staging", certificates[3]);
                begin();
                return;
            case 7: {
                if (below(8) != 0) return;
                json made = fields("create", ++next_, kRings[3], "x", "asymmetric");
                made["plain"] = true;
                made["sha256"] = list::cbor_bytes(hash(Algorithm::kSha256, certificates[3]));
                return add("create", made);
            }
            case 8:
                return add("missed", {{"count", 1}});
            case 9:
                if (below(10) != 0) return;
                return add("new", {{"time", 1}});
            default:
                return ring_event();
        }
    }
    void operation() {
        const int what = below(40);
        if (what == 0 && below(3) < static_cast<int>(wild_)) return rare();
        if (what == 1 && below(wild_ == 2 ? 2 : 6) == 0) return baseline("order");
        if (what == 2)
            return add("canary", {{"time", time_}, {"nonce", list::cbor_bytes(host.quote.nonce)}});
        if (what < 3 + 2 * chatter_)
            return add("canary", {{"time", time_}, {"nonce", Host::bytes("another")}});
        if (what == 10 && wild_ != 0) {
            pending_.emplace_back(list::ima_event_name(some_ring().name),
                                  certificates[static_cast<std::size_t>(below(5))]);
            return;
        }
        // Few go on at once, so that many are alike.
        const std::size_t most = wild_ == 2 ? 3 : 2;
        if (open_.empty() || (open_.size() < most && below(3) == 0)) return begin();
        go_on(static_cast<std::size_t>(below(static_cast<int>(open_.size()))));
    }

    std::mt19937 random_;
    int rings_;
    unsigned wild_;
    bool chains_;  // a signer and what it signed come and go
    std::unique_ptr<keyrings::KeyringModel> model_;
    std::vector<std::pair<std::string, Buffer>> pending_;
    std::vector<Open> open_;
    std::uint64_t time_ = 100;
    int next_ = 1000, chatter_ = 0;
};

/// Policies and references at random: any may be in force when it is judged again.
Basis random_basis(RandomHost& of) {
    Basis basis;
    EXPECT_TRUE(basis.references.add(of.host.builtin, "build.der"));
    for (std::size_t i = 0; i < of.certificates.size(); ++i)
        if (of.has_chains() || of.below(of.wild() == 0 ? 8 : 2) != 0)
            EXPECT_TRUE(basis.references.add(of.certificates[i], std::to_string(i) + ".der",
                                             !of.has_chains() && of.below(10) == 0 ? ".ima" : ""));
    AppraisalPolicy& policy = basis.policy;
    // What a signer's coming and going does is not hidden by something else.
    if (of.has_chains() && of.below(2) == 0) return *complete(std::move(basis));
    const auto maybe = [&] { return of.below(of.wild() == 0 ? 4 : 2) == 0; };
    if (of.wild() == 0 && of.below(3) != 0) policy.keyrings.watched = {".builtin*", ".ima"};
    if (of.wild() == 0 && of.below(2) != 0) policy.chain.signers.clear();
    if (maybe()) policy.keyrings.watched = {".ima", "staging"};
    if (maybe()) policy.keyrings.types = {"*"};
    if (of.below(8) == 0) policy.keyrings.exempt.push_back("staging");
    if (maybe()) policy.keyrings.owners = {0, 1000};
    if (maybe()) policy.keyrings.exempt = {};
    policy.keys.allow_expired = maybe();
    policy.keys.allow_revoked = maybe();
    policy.keys.allow_other_certificate = maybe();
    if (maybe()) policy.keys.required = {"*"};
    if (maybe()) policy.chain.signers["staging"] = {".ima", ".secondary_trusted_keys"};
    if (maybe()) policy.chain.reference_suffices.clear();
    policy.host.allow_restart = maybe();
    policy.host.require_canary = maybe();
    policy.host.allow_policy_change = maybe();
    if (of.below(3) == 0) {
        const std::string blocked = to_hex(sha256(of.certificates[3])) + '\n';
        basis.blocked_keys = *BlockedKeys::parse(blocked, "blocked");
    }
    return *complete(std::move(basis));
}

class Comparison {
  public:
    explicit Comparison(unsigned seed) : host_(seed), key_(testing::key_of(host_.host)) {
        for (int i = 0; i < 4; ++i) bases_.push_back(random_basis(host_));
    }

    void run() {
        for (int piece = 0; piece < 5; ++piece) {
            host_.grow(host_.below(120));
            ++host_.host.quote.clock;
            now_ = kNow + 500 * host_.below(4);
            visit();
            again();
        }
    }

    std::size_t dropped = 0, snapshots = 0, wholes = 0, affirmed = 0, contraindicated = 0;

  private:
    Appraisal judge(std::uint64_t since, Bytes snapshot, const Basis& basis, Bytes kept = {}) {
        host_.host.from_entry = since;
        bytes_ = host_.host.encoded();
        const auto state = parse_snapshot(snapshot);
        EXPECT_EQ(state.has_value(), !snapshot.empty());
        return appraise({.evidence = bytes_,
                         .nonce = host_.host.quote.nonce,
                         .keys = {&key_, 1},
                         .now = now_,
                         .state = kept,
                         .snapshot = state ? &*state : nullptr},
                        basis);
    }
    const Basis& some_basis() { return bases_[static_cast<std::size_t>(host_.below(4))]; }

    /// What came since the last one, by the snapshot that is kept.
    void visit() {
        const Basis& basis = some_basis();
        const Appraisal whole = judge(0, {}, basis);
        ASSERT_TRUE(whole.next) << to_json(whole, "");
        const auto from_whole = whole.next->snapshot(host_.host.quote.nonce);
        const Buffer former = snapshot_;
        const Appraisal pieces =
            snapshot_.empty() ? judge(0, {}, basis) : judge(entries_, former, basis);
        same(whole, pieces);
        ASSERT_TRUE(pieces.next) << to_json(pieces, "");
        auto next = pieces.next->snapshot(host_.host.quote.nonce);
        const Buffer former_state = std::move(state_);
        const Appraisal goes_on =
            former_state.empty() ? judge(0, {}, basis) : judge(kept_, {}, basis, former_state);
        same(whole, goes_on);
        ASSERT_TRUE(goes_on.next) << to_json(goes_on, "");
        const std::string header = goes_on.next->header();
        state_.assign(header.begin(), header.end());
        for (const Bytes part : {goes_on.next->kept, goes_on.next->added})
            state_.insert(state_.end(), part.begin(), part.end());
        kept_ = goes_on.entries;
        EXPECT_EQ(next.has_value(), from_whole.has_value());
        ++(next ? snapshots : wholes);
        snapshot_ = next.value_or(Buffer());
        entries_ = pieces.entries;
        if (!next) return;
        std::size_t kept = 0, all = 0;
        const auto state = parse_snapshot(snapshot_);
        ASSERT_TRUE(state) << to_string(state.error());
        EXPECT_EQ(state->bytes, host_.host.list.bytes.size());
        ExtractReader reader(*state->extract);
        while (reader.next()) ++kept;
        EXPECT_TRUE(reader.at_end());
        (void)list::for_each_record(Bytes(host_.host.list.bytes), [&](const auto&) { ++all; });
        dropped += all + 1 - kept;
    }
    /// Nothing new, under every basis.
    void again() {
        if (snapshot_.empty()) return;
        for (const Basis& basis : bases_) {
            now_ = kNow + 500 * host_.below(4);
            const Appraisal whole = judge(0, {}, basis);
            same(whole, judge(host_.host.list.entries, snapshot_, basis));
            ++(whole.verdict == Verdict::kAffirmed ? affirmed : contraindicated);
        }
    }
    static void same(const Appraisal& whole, const Appraisal& other) {
        ASSERT_EQ(name_of(whole.verdict), name_of(other.verdict)) << to_json(other, "");
        std::set<std::string> full;
        (void)told(whole, full);
        EXPECT_EQ(told(whole, full), told(other, full));
        EXPECT_EQ(standing(whole), standing(other));
        EXPECT_EQ(whole.keys, other.keys);
        EXPECT_EQ(whole.until, other.until);
        EXPECT_EQ(whole.entries, other.entries);
        EXPECT_EQ(whole.policy_digest, other.policy_digest);
    }

    RandomHost host_;
    AttestationKey key_;
    // A vector would copy them as it grows, and references have views into themselves.
    std::deque<Basis> bases_;
    Buffer snapshot_, state_, bytes_;
    std::uint64_t entries_ = 0, kept_ = 0;
    std::int64_t now_ = kNow;
};

TEST(Extracts, AreJudgedAsTheWholeListIs) {
    std::size_t dropped = 0, snapshots = 0, wholes = 0, affirmed = 0, contraindicated = 0;
    // A seed takes two seconds of a core with the address sanitizer.
    unsigned seeds = testing::kStep == 1 ? 120 : 4;
    if (const char* wanted = std::getenv("EXTRACT_SEEDS"))
        seeds = static_cast<unsigned>(std::atoi(wanted));
    for (unsigned seed = 1; seed <= seeds; ++seed) {
        Comparison comparison(seed);
        comparison.run();
        dropped += comparison.dropped;
        snapshots += comparison.snapshots;
        wholes += comparison.wholes;
        affirmed += comparison.affirmed;
        contraindicated += comparison.contraindicated;
        if (::testing::Test::HasFailure()) {
            FAIL() << "seed " << seed;
        }
    }
    std::printf("%zu snapshots without %zu records, %zu whole lists, %zu affirmed, %zu not\n",
                snapshots, dropped, wholes, affirmed, contraindicated);
    if (testing::kStep != 1) return;
    // What is compared is worth it.
    EXPECT_GT(snapshots, 2 * wholes);
    EXPECT_GT(dropped, 10 * snapshots);
    EXPECT_GT(affirmed, contraindicated / 100);
}

}  // namespace list_extract_test
}  // namespace keyscribe::appraise
