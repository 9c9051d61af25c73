// SPDX-License-Identifier: Apache-2.0
// The compiled filter, walked as bpf/filter.bpf.h walks it, beside the exact matcher.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <random>

#include "policy/filter_compiler.h"
#include "policy/matcher.h"
#include "policy/parser.h"
#include "tests/unit/support.h"

namespace keyscribe::policy {
namespace policy_filter_test {

constexpr std::uint32_t kGeneration = 7;

Policy policy_of(const std::string& text) {
    const Source source{"10-x.policy", text};
    auto policy = parse({&source, 1});
    EXPECT_TRUE(policy) << text << to_string(policy.error());
    return policy.value_or(Policy{});
}

using Filter = std::unique_ptr<ks_filter>;

Filter filter_of(const Policy& policy) {
    auto filter = compile(policy, kGeneration);
    EXPECT_TRUE(filter) << filter.error();
    return filter ? std::move(*filter) : std::make_unique<ks_filter>();
}

Filter filter_of(const std::string& text) { return filter_of(policy_of(text)); }

std::uint64_t rules_of_name(const ks_filter& filter, std::string_view keyring) {
    const NameWords words = keyring_words(keyring);
    const std::uint64_t start =
        (ks_name_hash_word(words.data()) * filter.name_multiplier) >> (64 - KS_NAME_SLOTS_BITS);
    for (std::uint64_t probe = 0; probe < KS_PROBES; probe++) {
        const ks_name_slot& slot = filter.name[(start + probe) & (KS_NAME_SLOTS - 1)];
        if (slot.word[0] == 0) return 0;
        if (std::ranges::equal(slot.word, words)) return slot.rules;
    }
    return 0;
}

std::size_t names_in(const ks_filter& filter) {
    return static_cast<std::size_t>(std::ranges::count_if(
        filter.name, [](const ks_name_slot& slot) { return slot.word[0] != 0; }));
}

std::uint64_t rules_of_word(const ks_filter& filter, std::uint64_t word) {
    const std::uint64_t start = (word * filter.keyring_multiplier) >> (64 - KS_KEYRING_SLOTS_BITS);
    for (std::uint64_t probe = 0; probe < KS_PROBES; probe++) {
        const ks_keyring_slot& slot = filter.keyring[(start + probe) & (KS_KEYRING_SLOTS - 1)];
        if (slot.word == 0) return 0;
        if (slot.word == word) return slot.rules;
    }
    return 0;
}

std::uint64_t rules_of_type(const ks_filter& filter, std::string_view type) {
    const TypeWords words = type_words(type);
    const std::uint64_t start =
        (ks_type_hash_word(words.data()) * filter.type_multiplier) >> (64 - KS_TYPE_SLOTS_BITS);
    for (std::uint64_t probe = 0; probe < KS_PROBES; probe++) {
        const ks_type_slot& slot = filter.type[(start + probe) & (KS_TYPE_SLOTS - 1)];
        if (slot.name[0] == 0) return 0;
        if (std::ranges::equal(slot.name, words)) return slot.rules;
    }
    return 0;
}

std::size_t words_in(const ks_filter& filter) {
    return static_cast<std::size_t>(std::ranges::count_if(
        filter.keyring, [](const ks_keyring_slot& slot) { return slot.word != 0; }));
}

std::size_t types_in(const ks_filter& filter) {
    return static_cast<std::size_t>(std::ranges::count_if(
        filter.type, [](const ks_type_slot& slot) { return slot.name[0] != 0; }));
}

struct Verdict {
    bool send = false;
    bool payload = false;
    bool secret = false;
    bool open = false;  // a rule was passed that userspace has to judge
};

std::uint64_t rules_of_keyring(const ks_filter& filter, std::string_view keyring) {
    const std::uint64_t rules = rules_of_word(filter, keyring_words(keyring).front());
    return rules == 0 || keyring.size() <= 6 ? rules : rules_of_name(filter, keyring);
}

bool in_range(std::uint32_t id, const ks_id_range& range) {
    return id >= range.low && id <= range.high;
}

Verdict kernel_verdict(const Policy& policy, const ks_filter& filter, const Subject& subject) {
    Verdict verdict;
    std::uint64_t rules = (filter.any_keyring | rules_of_keyring(filter, subject.keyring)) &
                          filter.operations[subject.operation] &
                          (is_about_keyring(subject.operation)
                               ? ~0ull
                               : filter.any_type | rules_of_type(filter, subject.key_type));
    const std::uint64_t first = rules & -rules;
    for (; rules != 0; rules &= rules - 1) {
        const ks_rule& rule = filter.rule[std::countr_zero(rules)];
        const bool ids = in_range(subject.uid, rule.uid) && in_range(subject.euid, rule.euid) &&
                         in_range(subject.gid, rule.gid) && in_range(subject.egid, rule.egid);
        if ((rule.flags & KS_RULE_IDS) && !ids) continue;
        if (rule.flags & (KS_RULE_MEASURE | KS_RULE_UNDECIDED)) {
            verdict.send = true;
            // The programs do not look at the keyring's owner.
            const ks_id_range owner =
                owners(policy.rules[std::countr_zero(rules)], subject.keyring);
            verdict.open |= owner.low != 0 || owner.high != UINT32_MAX;
            if (rule.flags & KS_RULE_PAYLOAD) {
                verdict.payload = true;
                if (rule.flags & KS_RULE_BY_TYPE) verdict.secret = true;
            }
        }
        if (!(rule.flags & KS_RULE_UNDECIDED)) break;
        verdict.open = true;
    }
    // The programs' short way, where the first rule decides by itself.
    if (!(first & filter.conditional)) {
        const std::uint64_t measures = first & filter.holders;
        EXPECT_EQ(verdict.send, measures != 0);
        EXPECT_EQ(verdict.payload, (measures & filter.payload) != 0);
        EXPECT_EQ(verdict.secret, (measures & filter.secrets) != 0);
    }
    // Who holds which key: told in any case, for userspace to judge.
    if (ks_changes_holders(subject.operation) && !verdict.send) verdict.open = verdict.send = true;
    return verdict;
}

const std::string kPrefix(KS_KEYRING_PREFIX, 'p');

TEST(PolicyFilter, SaysWhatTheRulesSay) {
    const Filter made = filter_of(
        "measure func=KEY_CHECK\n"
        "dont_measure func=KEY_CHECK key_type=* op=update uid>5 egid<3\n"
        "measure func=KEY_CHECK key_type=user|asymmetric payload=digest\n"
        "measure func=KEY_CHECK key_type=keyring payload=none desc=x*\n");
    const ks_filter& filter = *made;
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
    EXPECT_EQ(words_in(filter), 0u);
    EXPECT_TRUE(names_in(filter) == 0);
    EXPECT_EQ(rules_of_type(filter, "asymmetric"), 0b0101u);
    EXPECT_EQ(rules_of_type(filter, "user"), 0b0100u);
    EXPECT_EQ(rules_of_type(filter, "use"), 0u);
    EXPECT_EQ(types_in(filter), 3u);
}

TEST(PolicyFilter, OnlyAWordedSecretTypeAsksForSecrets) {
    const auto by_type = [](const std::string& conditions) {
        const Filter made = filter_of("measure func=KEY_CHECK " + conditions);
        const ks_filter& filter = *made;
        return (filter.rule[0].flags & KS_RULE_BY_TYPE) != 0;
    };
    EXPECT_FALSE(by_type(""));
    EXPECT_FALSE(by_type("key_type=asymmetric|blacklist"));
    EXPECT_FALSE(by_type("key_type=*"));
    EXPECT_TRUE(by_type("key_type=user"));
}

TEST(PolicyFilter, ShortKeyringsAreExactInTheWordAlone) {
    const Filter made = filter_of(
        "measure func=KEY_CHECK keyrings=.ima|sixsix\n"
        "measure func=KEY_CHECK keyrings=sixsix uid=0\n");
    const ks_filter& filter = *made;
    EXPECT_TRUE(names_in(filter) == 0);
    EXPECT_EQ(words_in(filter), 2u);
    // Length, then the bytes, from the lowest: struct keyring_index_key, little-endian.
    EXPECT_EQ(rules_of_word(filter, 0x0000616d692e0004u), 0b01u);
    EXPECT_EQ(rules_of_word(filter, 0x7869737869730006u), 0b11u);
}

TEST(PolicyFilter, LongerKeyringsAreDecidedByTheNameOrByUserspace) {
    const Filter made = filter_of(
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
    const ks_filter& filter = *made;
    EXPECT_EQ(words_in(filter), 3u);
    EXPECT_EQ(rules_of_word(filter, keyring_words(".secondary_a").front()), 0b00011u);
    EXPECT_EQ(rules_of_name(filter, ".secondary_a"), 0b00001u);
    EXPECT_EQ(rules_of_name(filter, ".secondary_b"), 0b00010u);
    EXPECT_EQ(rules_of_name(filter, kPrefix), 0b00100u);
    EXPECT_EQ(rules_of_name(filter, kPrefix + "??"), 0b11000u);
    EXPECT_EQ(names_in(filter), 4u);
    EXPECT_FALSE(filter.rule[2].flags & KS_RULE_UNDECIDED);
    EXPECT_TRUE(filter.rule[3].flags & KS_RULE_UNDECIDED);
}

TEST(PolicyFilter, FullTablesFindRoomForEveryName) {
    std::string text;
    for (int i = 0; i < KS_KEYRINGS_MAX; i++)
        text +=
            (i % 32 ? "|k" : "\nmeasure func=KEY_CHECK key_type=* keyrings=k") + std::to_string(i);
    for (int i = 0; i < KS_TYPES_MAX; i++)
        text += (i ? "|type_number_"
                   : "\nmeasure func=KEY_CHECK keyrings=k0 payload=none "
                     "key_type=type_number_") +
                std::to_string(i);
    const Filter made = filter_of(text);
    const ks_filter& filter = *made;
    EXPECT_EQ(words_in(filter), std::size_t{KS_KEYRINGS_MAX});
    EXPECT_EQ(types_in(filter), std::size_t{KS_TYPES_MAX});
    for (int i = 0; i < KS_KEYRINGS_MAX; i++)
        EXPECT_EQ(rules_of_keyring(filter, "k" + std::to_string(i)),
                  1ull << (i / 32) | (i == 0 ? 1ull << KS_KEYRINGS_MAX / 32 : 0));
    for (int i = 0; i < KS_TYPES_MAX; i++)
        EXPECT_EQ(rules_of_type(filter, "type_number_" + std::to_string(i)),
                  1ull << KS_KEYRINGS_MAX / 32);
}

TEST(PolicyFilter, NamesThatNoMultiplierPartsAreRefused) {
    // name[0] + 3 * name[1] is the same for all of them.
    const auto filter = compile(policy_of("measure func=KEY_CHECK payload=none key_type="
                                          "a.......z|d.......y|g.......x|j.......w|m.......v"),
                                kGeneration);
    ASSERT_FALSE(filter);
    EXPECT_TRUE(filter.error().contains("do not fit into the kernel's filter"));
}

const std::vector<std::string> kKeyrings{
    "a",     ".ima",        "sixsix",      "sixsixx",     "sixsixy", ".builtin_trusted_keys",
    kPrefix, kPrefix + "x", kPrefix + "y", kPrefix + "xx"};
const std::vector<std::string> kTypes{"asymmetric", "user", "logon", "keyring"};
const std::vector<std::string> kDescriptions{"x", "xy", "y"};

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
                .keyring_uid = pick(4) ? id() : kNoId,
                .key_type = one_of(kTypes),
                .description = one_of(kDescriptions),
                .uid = id(),
                .euid = id(),
                .gid = id(),
                .egid = id()};
    }

  private:
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
        if (pick(4) == 0) text += " keyring_uid=" + (pick(3) ? std::to_string(id()) : "*");
        if (pick(2)) text += " key_type=" + (pick(3) ? some_of(kTypes) : "*");
        if (pick(4) == 0)
            text += " op=" + std::string(kOperationNames[pick(KS_OP_COUNT)]);
        else if (pick(4) == 0)
            text += " op=all";
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
    for (int round = 0; round < 2'000 / testing::kStep; round++) {
        const std::string text = random.text();
        const Policy policy = policy_of(text);
        const Filter made = filter_of(policy);
        const ks_filter& filter = *made;
        for (int i = 0; i < 50; i++) {
            const Subject subject = random.subject();
            const Rule* rule = decide(policy, subject);
            const bool measured = rule != nullptr && rule->action == Action::kMeasure;
            const Verdict verdict = kernel_verdict(policy, filter, subject);
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
    EXPECT_GT(dropped, 10'000u / testing::kStep);
    EXPECT_GT(sent, 10'000u / testing::kStep);
    EXPECT_GT(open, 5'000u / testing::kStep);
}

}  // namespace policy_filter_test
}  // namespace keyscribe::policy
