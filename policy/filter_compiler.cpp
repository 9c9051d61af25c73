// SPDX-License-Identifier: Apache-2.0
#include "policy/filter_compiler.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <span>
#include <string_view>

#include "policy/text.h"

namespace keyscribe::policy {
namespace {

/// How much of a name is in the word: struct keyring_index_key in <linux/key.h> of a 64-bit kernel.
constexpr std::size_t kWordBytes = sizeof(ks_u64) - sizeof(ks_u16);

struct Bytewise {
    template <class Key>
    bool operator()(const Key& a, const Key& b) const {
        static_assert(std::has_unique_object_representations_v<Key>);
        return std::memcmp(&a, &b, sizeof(Key)) < 0;
    }
};

template <class Key>
using Table = std::map<Key, std::uint64_t, Bytewise>;

bool is_secret(std::string_view key_type) { return !contains(kPublicKeyTypes, key_type); }

bool is_everyone(const ks_id_range& range) { return range.low == 0 && range.high == UINT32_MAX; }

ks_u32 flags_of(const Rule& rule, const ks_rule& ids) {
    const bool long_keyring = std::ranges::any_of(
        rule.keyrings, [](const std::string& name) { return name.size() > KS_KEYRING_PREFIX; });
    ks_u32 flags = 0;
    if (rule.action == Action::kMeasure) flags |= KS_RULE_MEASURE;
    if (rule.description || long_keyring) flags |= KS_RULE_UNDECIDED;
    if (rule.payload != Payload::kNone) flags |= KS_RULE_PAYLOAD;
    // key_type=asymmetric is what every rule is about: it does not ask for private keys.
    if (std::ranges::any_of(rule.key_types, is_secret)) flags |= KS_RULE_BY_TYPE;
    if (!is_everyone(ids.uid) || !is_everyone(ids.euid) || !is_everyone(ids.gid) ||
        !is_everyone(ids.egid))
        flags |= KS_RULE_IDS;
    return flags;
}

ks_rule compile_rule(const Rule& rule) {
    ks_rule compiled{.uid = id_range(rule.uid),
                     .euid = id_range(rule.euid),
                     .gid = id_range(rule.gid),
                     .egid = id_range(rule.egid)};
    compiled.flags = flags_of(rule, compiled);
    return compiled;
}

template <class Key>
std::vector<std::pair<Key, std::uint64_t>> entries(const Table<Key>& table) {
    return {table.begin(), table.end()};
}

}  // namespace

ks_keyring_word keyring_word(std::string_view keyring, std::uint32_t generation) {
    ks_keyring_word key{.word = static_cast<ks_u16>(keyring.size()), .generation = generation};
    const std::string_view head = keyring.substr(0, kWordBytes);
    for (std::size_t i = 0; i < head.size(); i++)
        key.word |= static_cast<ks_u64>(static_cast<std::uint8_t>(head[i])) << (16 + 8 * i);
    return key;
}

ks_keyring_name keyring_name(std::string_view keyring, std::uint32_t generation) {
    ks_keyring_name key{.generation = generation, .length = static_cast<ks_u16>(keyring.size())};
    keyring.copy(key.prefix, sizeof(key.prefix));
    return key;
}

ks_type_name type_name(std::string_view key_type, std::uint32_t generation) {
    ks_type_name key{.generation = generation};
    key_type.copy(key.name, sizeof(key.name) - 1);
    return key;
}

FilterImage compile(const Policy& policy, std::uint32_t generation) {
    FilterImage image;
    ks_filter& filter = image.filter;
    filter.generation = generation;
    filter.rules = static_cast<ks_u32>(policy.rules.size());

    Table<ks_keyring_word> words;
    Table<ks_keyring_name> names;
    Table<ks_type_name> types;
    const std::span<ks_rule, KS_RULES_MAX> compiled(filter.rule);
    for (std::size_t i = 0; i < policy.rules.size(); i++) {
        const Rule& rule = policy.rules[i];
        const std::uint64_t bit = 1ull << i;
        compiled[i] = compile_rule(rule);
        if (rule.keyrings.empty()) filter.any_keyring |= bit;
        if (rule.key_types.empty()) filter.any_type |= bit;
        for (std::size_t operation = 0; operation < KS_OP_COUNT; operation++)
            if (rule.operations & operation_bit(static_cast<ks_operation>(operation)))
                filter.operations[operation] |= bit;
        for (const std::string& keyring : rule.keyrings) {
            words[keyring_word(keyring, generation)] |= bit;
            if (keyring.size() > kWordBytes) names[keyring_name(keyring, generation)] |= bit;
        }
        for (const std::string& type : rule.key_types) types[type_name(type, generation)] |= bit;
    }
    image.words = entries(words);
    image.names = entries(names);
    image.types = entries(types);
    return image;
}

}  // namespace keyscribe::policy
