// SPDX-License-Identifier: Apache-2.0
// The compiled filter, walked as bpf/filter.bpf.h walks it, beside the exact matcher.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "policy/filter_compiler.h"
#include "policy/matcher.h"
#include "policy/parser.h"

namespace keyscribe::policy {
namespace {

constexpr std::uint32_t kGeneration = 7;

Policy policy_of(const std::string& text) {
    const Source source{"10-x.policy", text};
    auto policy = parse({&source, 1});
    EXPECT_TRUE(policy) << text << to_string(policy.error());
    return policy.value_or(Policy{});
}

FilterImage image_of(const std::string& text) { return compile(policy_of(text), kGeneration); }

template <class Key>
std::uint64_t look_up(const std::vector<std::pair<Key, std::uint64_t>>& table, const Key& key) {
    for (const auto& [candidate, rules] : table)
        if (std::memcmp(&candidate, &key, sizeof(Key)) == 0) return rules;
    return 0;
}

struct Verdict {
    bool send = false;
    bool payload = false;
    bool secret = false;
    bool open = false;  // a rule was passed that userspace has to judge
};

std::uint64_t rules_of_keyring(const FilterImage& image, std::string_view keyring) {
    const std::uint64_t any = image.filter.any_keyring;
    const std::uint64_t rules = look_up(image.words, keyring_word(keyring, kGeneration));
    if (rules == 0) return any;
    if (keyring.size() <= 6) return any | rules;
    return any | look_up(image.names, keyring_name(keyring, kGeneration));
}

bool in_range(std::uint32_t id, const ks_id_range& range) {
    return id >= range.low && id <= range.high;
}

Verdict kernel_verdict(const FilterImage& image, const Subject& subject) {
    Verdict verdict;
    std::uint64_t rules =
        rules_of_keyring(image, subject.keyring) & image.filter.operations[subject.operation] &
        (image.filter.any_type | look_up(image.types, type_name(subject.key_type, kGeneration)));
    for (; rules != 0; rules &= rules - 1) {
        const ks_rule& rule = image.filter.rule[std::countr_zero(rules)];
        const bool ids = in_range(subject.uid, rule.uid) && in_range(subject.euid, rule.euid) &&
                         in_range(subject.gid, rule.gid) && in_range(subject.egid, rule.egid);
        if ((rule.flags & KS_RULE_IDS) && !ids) continue;
        if (rule.flags & (KS_RULE_MEASURE | KS_RULE_UNDECIDED)) {
            verdict.send = true;
            if (rule.flags & KS_RULE_PAYLOAD) {
                verdict.payload = true;
                if (rule.flags & KS_RULE_BY_TYPE) verdict.secret = true;
            }
        }
        if (!(rule.flags & KS_RULE_UNDECIDED)) break;
        verdict.open = true;
    }
    return verdict;
}

const std::string kPrefix(KS_KEYRING_PREFIX, 'p');

TEST(PolicyFilter, SaysWhatTheRulesSay) {
    const FilterImage image = image_of(
        "measure func=KEY_CHECK\n"
        "dont_measure func=KEY_CHECK key_type=* op=update uid>5 egid<3\n"
        "measure func=KEY_CHECK key_type=user|asymmetric payload=digest\n"
        "measure func=KEY_CHECK key_type=keyring payload=none desc=x*\n");
    const ks_filter& filter = image.filter;
    EXPECT_EQ(filter.generation, kGeneration);
    EXPECT_EQ(filter.rules, 4u);
    EXPECT_EQ(filter.any_keyring, 0b1111u);
    EXPECT_EQ(filter.any_type, 0b0010u);
    EXPECT_EQ(filter.operations[KS_OP_CREATE], 0b1101u);
    EXPECT_EQ(filter.operations[KS_OP_UPDATE], 0b1111u);
    EXPECT_EQ(filter.rule[0].flags, KS_RULE_MEASURE | KS_RULE_PAYLOAD);
    EXPECT_EQ(filter.rule[1].flags, ks_u32{KS_RULE_IDS});
    EXPECT_EQ(filter.rule[1].uid.low, 6u);
    EXPECT_EQ(filter.rule[1].uid.high, UINT32_MAX);
    EXPECT_EQ(filter.rule[1].egid.high, 2u);
    EXPECT_EQ(filter.rule[2].flags, KS_RULE_MEASURE | KS_RULE_PAYLOAD | KS_RULE_BY_TYPE);
    EXPECT_EQ(filter.rule[3].flags, KS_RULE_MEASURE | KS_RULE_UNDECIDED);
    EXPECT_TRUE(image.words.empty());
    EXPECT_TRUE(image.names.empty());
    EXPECT_EQ(look_up(image.types, type_name("asymmetric", kGeneration)), 0b0101u);
    EXPECT_EQ(look_up(image.types, type_name("user", kGeneration)), 0b0100u);
    EXPECT_EQ(image.types.size(), 3u);
}

TEST(PolicyFilter, OnlyAWordedSecretTypeAsksForSecrets) {
    const auto by_type = [](const std::string& conditions) {
        const FilterImage image = image_of("measure func=KEY_CHECK " + conditions);
        return (image.filter.rule[0].flags & KS_RULE_BY_TYPE) != 0;
    };
    EXPECT_FALSE(by_type(""));
    EXPECT_FALSE(by_type("key_type=asymmetric|blacklist"));
    EXPECT_FALSE(by_type("key_type=*"));
    EXPECT_TRUE(by_type("key_type=user"));
}

TEST(PolicyFilter, ShortKeyringsAreExactInTheWordAlone) {
    const FilterImage image = image_of(
        "measure func=KEY_CHECK keyrings=.ima|sixsix\n"
        "measure func=KEY_CHECK keyrings=sixsix uid=0\n");
    EXPECT_TRUE(image.names.empty());
    EXPECT_EQ(image.words.size(), 2u);
    // Length, then the bytes, from the lowest: struct keyring_index_key, little-endian.
    EXPECT_EQ(look_up(image.words, ks_keyring_word{0x0000616d692e0004ull, kGeneration, 0}), 0b01u);
    EXPECT_EQ(look_up(image.words, ks_keyring_word{0x7869737869730006ull, kGeneration, 0}), 0b11u);
}

TEST(PolicyFilter, LongerKeyringsAreDecidedByTheNameOrByUserspace) {
    const FilterImage image = image_of(
        "measure func=KEY_CHECK keyrings=.secondary_a\n"
        "measure func=KEY_CHECK keyrings=.secondary_b\n"
        "measure func=KEY_CHECK keyrings=" +
        kPrefix +
        "\n"
        "measure func=KEY_CHECK keyrings=" +
        kPrefix +
        "xy\n"
        "measure func=KEY_CHECK keyrings=" +
        kPrefix + "zz\n");
    EXPECT_EQ(image.words.size(), 3u);
    EXPECT_EQ(look_up(image.words, keyring_word(".secondary_a", kGeneration)), 0b00011u);
    EXPECT_EQ(look_up(image.names, keyring_name(".secondary_a", kGeneration)), 0b00001u);
    EXPECT_EQ(look_up(image.names, keyring_name(".secondary_b", kGeneration)), 0b00010u);
    EXPECT_EQ(look_up(image.names, keyring_name(kPrefix, kGeneration)), 0b00100u);
    EXPECT_EQ(look_up(image.names, keyring_name(kPrefix + "??", kGeneration)), 0b11000u);
    EXPECT_EQ(image.names.size(), 4u);
    EXPECT_FALSE(image.filter.rule[2].flags & KS_RULE_UNDECIDED);
    EXPECT_TRUE(image.filter.rule[3].flags & KS_RULE_UNDECIDED);
}

class RandomPolicy {
  public:
    explicit RandomPolicy(unsigned seed) : random_(seed) {}

    std::string text() {
        std::string text;
        for (std::size_t i = 0, rules = 1 + pick(6); i < rules; i++) text += rule();
        return text;
    }

    Subject subject() {
        return {.operation = static_cast<ks_operation>(pick(KS_OP_COUNT)),
                .keyring = one_of(kKeyrings),
                .key_type = one_of(kTypes),
                .description = one_of(kDescriptions),
                .uid = id(),
                .euid = id(),
                .gid = id(),
                .egid = id()};
    }

  private:
    static inline const std::vector<std::string> kKeyrings{
        "a",     ".ima",        "sixsix",      "sixsixx",     "sixsixy", ".builtin_trusted_keys",
        kPrefix, kPrefix + "x", kPrefix + "y", kPrefix + "xx"};
    static inline const std::vector<std::string> kTypes{"asymmetric", "user", "logon", "keyring"};
    static inline const std::vector<std::string> kDescriptions{"x", "xy", "y"};
    static constexpr std::uint32_t kIds[] = {0, 1, 2, 1000, 4294967293, 4294967294};

    std::size_t pick(std::size_t count) { return random_() % count; }
    const std::string& one_of(const std::vector<std::string>& words) {
        return words[pick(words.size())];
    }
    std::uint32_t id() { return kIds[pick(std::size(kIds))]; }

    std::string some_of(const std::vector<std::string>& words) {
        std::string list = one_of(words);
        while (pick(2)) list += "|" + one_of(words);
        return list;
    }

    std::string rule() {
        const bool measure = pick(3) != 0;
        std::string text = measure ? "measure func=KEY_CHECK" : "dont_measure func=KEY_CHECK";
        if (pick(2)) text += " keyrings=" + some_of(kKeyrings);
        if (pick(2)) text += " key_type=" + (pick(3) ? some_of(kTypes) : "*");
        if (pick(4) == 0) text += pick(2) ? " op=create" : " op=update";
        for (const char* name : {"uid", "euid", "gid", "egid"})
            if (pick(5) == 0)
                text += std::string(" ") + name + "=<>"[pick(3)] + std::to_string(id());
        if (pick(5) == 0) text += " desc=" + std::string(pick(2) ? "x*" : "?");
        if (measure && pick(2)) text += pick(2) ? " payload=none" : " payload=digest";
        return text + "\n";
    }

    std::mt19937 random_;
};

TEST(PolicyFilter, NeverDropsWhatIsMeasuredAndIsExactWhereItDecides) {
    RandomPolicy random(42);
    std::size_t dropped = 0;
    std::size_t sent = 0;
    std::size_t open = 0;
    for (int round = 0; round < 2'000; round++) {
        const std::string text = random.text();
        const Policy policy = policy_of(text);
        const FilterImage image = compile(policy, kGeneration);
        for (int i = 0; i < 50; i++) {
            const Subject subject = random.subject();
            const Rule* rule = decide(policy, subject);
            const bool measured = rule != nullptr && rule->action == Action::kMeasure;
            const Verdict verdict = kernel_verdict(image, subject);
            dropped += !verdict.send;
            sent += verdict.send;
            open += verdict.open;
            if (!verdict.send) {
                ASSERT_FALSE(measured) << text;
            }
            if (measured && rule->payload != Payload::kNone) {
                ASSERT_TRUE(verdict.payload) << text;
            }
            if (verdict.open) continue;
            ASSERT_EQ(verdict.send, measured) << text;
            ASSERT_EQ(verdict.payload, measured && rule->payload != Payload::kNone) << text;
        }
    }
    EXPECT_GT(dropped, 10'000u);
    EXPECT_GT(sent, 10'000u);
    EXPECT_GT(open, 5'000u);
}

}  // namespace
}  // namespace keyscribe::policy
