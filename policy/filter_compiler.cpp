// SPDX-License-Identifier: Apache-2.0
#include "policy/filter_compiler.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <random>
#include <span>
#include <string_view>

#include "policy/limits.h"
#include "policy/text.h"

namespace keyscribe::policy {
namespace {

/// Multipliers that are tried. With the tables an eighth full, nearly every one will do.
constexpr int kMultipliers = 4096;

/// Each key once, with its rules.
struct Tables {
    std::map<ks_u64, ks_u64> words;
    std::map<NameWords, ks_u64> names;
    std::map<TypeWords, ks_u64> types;
};

bool is_secret(std::string_view key_type) { return !contains(kPublicKeyTypes, key_type); }

bool is_everyone(const ks_id_range& range) { return range.low == 0 && range.high == UINT32_MAX; }

bool is_by_type(const Rule& rule) {
    // key_type=asymmetric is what every rule is about: it does not ask for private keys.
    return std::ranges::any_of(rule.key_types, is_secret);
}

/// Whether the rules behind rule `index` could want what it does not: then it must not end the
/// programs' walk where it may turn out not to match.
bool more_is_wanted_behind(const Policy& policy, std::size_t index) {
    const Rule& rule = policy.rules[index];
    const auto behind = std::span(policy.rules).subspan(index + 1);
    return std::ranges::any_of(behind, [&](const Rule& later) {
        if (later.action != Action::kMeasure) return false;
        if (rule.action != Action::kMeasure) return true;
        return later.payload != Payload::kNone &&
               (rule.payload == Payload::kNone || (is_by_type(later) && !is_by_type(rule)));
    });
}

/// The programs do not look at a keyring's owner.
bool asks_for_owner(const Rule& rule) {
    const auto limited = [&](std::string_view keyring) {
        return !is_everyone(owners(rule, keyring));
    };
    return rule.keyrings.empty() ? limited({}) : std::ranges::any_of(rule.keyrings, limited);
}

ks_u32 flags_of(const Policy& policy, std::size_t index, const ks_rule& ids) {
    const Rule& rule = policy.rules[index];
    const bool long_keyring = std::ranges::any_of(
        rule.keyrings, [](const std::string& name) { return name.size() > KS_KEYRING_PREFIX; });
    ks_u32 flags = 0;
    if (rule.action == Action::kMeasure) flags |= KS_RULE_MEASURE;
    if (rule.description || long_keyring ||
        (asks_for_owner(rule) && more_is_wanted_behind(policy, index)))
        flags |= KS_RULE_UNDECIDED;
    if (rule.payload != Payload::kNone) flags |= KS_RULE_PAYLOAD;
    if (is_by_type(rule)) flags |= KS_RULE_BY_TYPE;
    if (!is_everyone(ids.uid) || !is_everyone(ids.euid) || !is_everyone(ids.gid) ||
        !is_everyone(ids.egid))
        flags |= KS_RULE_IDS;
    return flags;
}

/// A link can bring a key whose payload this rule wants, from where no rule looks.
bool links_payload(const Rule& rule) {
    return rule.action == Action::kMeasure && rule.payload != Payload::kNone &&
           (rule.operations & (operation_bit(KS_OP_LINK) | operation_bit(KS_OP_MOVE))) &&
           (rule.key_types.empty() ||
            std::ranges::find(rule.key_types, kDefaultKeyType) != rule.key_types.end());
}

ks_rule compile_rule(const Policy& policy, std::size_t index) {
    const Rule& rule = policy.rules[index];
    ks_rule compiled{.uid = id_range(rule.uid),
                     .euid = id_range(rule.euid),
                     .gid = id_range(rule.gid),
                     .egid = id_range(rule.egid)};
    compiled.flags = flags_of(policy, index, compiled);
    return compiled;
}

ks_u64 hash_word(const ks_keyring_slot& slot) { return slot.word; }
ks_u64 hash_word(const ks_name_slot& slot) { return ks_name_hash_word(slot.word); }
ks_u64 hash_word(const ks_type_slot& slot) { return ks_type_hash_word(slot.name); }
bool is_empty(const ks_keyring_slot& slot) { return slot.word == 0; }
bool is_empty(const ks_name_slot& slot) { return slot.word[0] == 0; }
bool is_empty(const ks_type_slot& slot) { return slot.name[0] == 0; }

/// Puts the entries where the programs will look for them. False: one finds no room.
template <class Slot>
bool place(std::span<Slot> table, const std::vector<Slot>& entries, ks_u64 multiplier) {
    std::ranges::fill(table, Slot{});
    const int bits = std::countr_zero(table.size());
    for (const Slot& entry : entries) {
        const ks_u64 start = (hash_word(entry) * multiplier) >> (64 - bits);
        ks_u64 probe = 0;
        while (probe < KS_PROBES && !is_empty(table[(start + probe) % table.size()])) probe++;
        if (probe == KS_PROBES) return false;
        table[(start + probe) % table.size()] = entry;
    }
    return true;
}

/// A multiplier with which all entries are in the table; 0: none was found. The same entries always
/// give the same one.
template <class Slot>
ks_u64 fill_table(std::span<Slot> table, const std::vector<Slot>& entries) {
    std::mt19937_64 random;
    for (int i = 0; i < kMultipliers; i++)
        if (const ks_u64 multiplier = random() | 1; place(table, entries, multiplier))
            return multiplier;
    return 0;
}

void add_names(const Rule& rule, ks_u64 bit, Tables& tables) {
    for (const std::string& keyring : rule.keyrings) {
        const NameWords words = keyring_words(keyring);
        tables.words[words.front()] |= bit;
        if (keyring.size() > KS_NAME_HEAD) tables.names[words] |= bit;
    }
    for (const std::string& type : rule.key_types) tables.types[type_words(type)] |= bit;
}

bool fill_tables(const Tables& tables, ks_filter& filter) {
    std::vector<ks_keyring_slot> keyrings;
    for (const auto& [word, rules] : tables.words) keyrings.push_back({word, rules});
    std::vector<ks_name_slot> names;
    for (const auto& [words, rules] : tables.names) {
        names.push_back({.rules = rules});
        std::ranges::copy(words, names.back().word);
    }
    std::vector<ks_type_slot> types;
    for (const auto& [words, rules] : tables.types) {
        types.push_back({.rules = rules});
        std::ranges::copy(words, types.back().name);
    }
    filter.keyring_multiplier = fill_table(std::span<ks_keyring_slot>(filter.keyring), keyrings);
    filter.name_multiplier = fill_table(std::span<ks_name_slot>(filter.name), names);
    filter.type_multiplier = fill_table(std::span<ks_type_slot>(filter.type), types);
    return filter.keyring_multiplier != 0 && filter.name_multiplier != 0 &&
           filter.type_multiplier != 0;
}

}  // namespace

NameWords keyring_words(std::string_view keyring) {
    NameWords words{static_cast<ks_u16>(keyring.size())};
    const auto add = [&](std::size_t at, std::size_t shift) {
        if (at < keyring.size())
            words[(at + 2) / 8] |= static_cast<ks_u64>(static_cast<std::uint8_t>(keyring[at]))
                                   << shift;
    };
    for (std::size_t at = 0; at < KS_KEYRING_PREFIX; at++) add(at, (at + 2) % 8 * 8);
    return words;
}

TypeWords type_words(std::string_view key_type) {
    TypeWords words{};
    std::memcpy(words.data(), key_type.data(), std::min(key_type.size(), kMaxKeyTypeBytes));
    return words;
}

std::expected<std::unique_ptr<ks_filter>, std::string> compile(const Policy& policy,
                                                               std::uint32_t generation) {
    auto filter = std::make_unique<ks_filter>();
    filter->generation = generation;
    filter->rules = static_cast<ks_u32>(policy.rules.size());

    Tables tables;
    const std::span<ks_rule, KS_RULES_MAX> compiled(filter->rule);
    for (std::size_t i = 0; i < policy.rules.size(); i++) {
        const Rule& rule = policy.rules[i];
        const ks_u64 bit = 1ull << i;
        compiled[i] = compile_rule(policy, i);
        if (rule.keyrings.empty()) filter->any_keyring |= bit;
        if (rule.key_types.empty()) filter->any_type |= bit;
        for (std::size_t operation = 0; operation < KS_OP_COUNT; operation++)
            if (rule.operations & operation_bit(static_cast<ks_operation>(operation)))
                filter->operations[operation] |= bit;
        if (rule.action == Action::kMeasure) filter->holders |= bit;
        if (compiled[i].flags & (KS_RULE_IDS | KS_RULE_UNDECIDED)) filter->conditional |= bit;
        if (compiled[i].flags & KS_RULE_PAYLOAD) filter->payload |= bit;
        if ((compiled[i].flags & KS_RULE_PAYLOAD) && (compiled[i].flags & KS_RULE_BY_TYPE))
            filter->secrets |= bit;
        if (links_payload(rule)) filter->remember |= bit;
        add_names(rule, bit, tables);
    }
    if (!fill_tables(tables, *filter))
        return std::unexpected(
            "the names of keyrings or key types do not fit into the kernel's "
            "filter together");
    return filter;
}

}  // namespace keyscribe::policy
