/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds out whether any rule of the active policy can match, before anything is copied. */
#ifndef KEYSCRIBE_FILTER_BPF_H
#define KEYSCRIBE_FILTER_BPF_H

#include "kernel_types.h"
#include "maps.bpf.h"

/* What to do with one event. */
enum wanted {
    WANT_RECORD = 1u << 0,
    WANT_PAYLOAD = 1u << 1, /* if it is public */
    WANT_SECRET = 1u << 2, /* even if it is secret */
};

struct verdict {
    __u32 generation;
    __u32 wanted; /* enum wanted; 0: nothing, no rule can match */
};

/* The type's name, and the same as words for quick comparison. */
union type_name {
    char name[KS_TYPE_NAME_SIZE];
    __u64 word[KS_TYPE_NAME_SIZE / 8];
};

_Static_assert(KS_TYPE_NAME_SIZE % 8 == 0, "compared in words");

#define WORD(a, b, c, d, e, f, g, h)                                                       \
    ((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | \
     (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)

static __always_inline _Bool is_asymmetric(const union type_name *type)
{
    return type->word[0] == WORD('a', 's', 'y', 'm', 'm', 'e', 't', 'r') &&
           type->word[1] == WORD('i', 'c', 0, 0, 0, 0, 0, 0);
}

static __always_inline _Bool is_blacklist(const union type_name *type)
{
    return type->word[0] == WORD('b', 'l', 'a', 'c', 'k', 'l', 'i', 's') &&
           type->word[1] == WORD('t', 0, 0, 0, 0, 0, 0, 0);
}

static __always_inline _Bool is_keyring(const union type_name *type)
{
    return type->word[0] == WORD('k', 'e', 'y', 'r', 'i', 'n', 'g', 0);
}

/* Types whose payload never is a secret; asymmetric keys can also be private ones (PKCS#8). */
static __always_inline _Bool is_public_type(const union type_name *type)
{
    return is_asymmetric(type) || is_blacklist(type) || is_keyring(type);
}

static __always_inline _Bool is_private_key(const struct key *key)
{
    const struct public_key *crypto = key->payload.data[0];
    _Bool is_private = 1; /* what cannot be read is not given away */

    bpf_core_read(&is_private, sizeof(is_private), &crypto->key_is_private);
    return is_private;
}

/* 1 or 0 without a branch, since every branch doubles what the verifier has to walk. */
static __always_inline __u64 in_range(__u32 id, const struct ks_id_range *range)
{
    return ((((__u64)id - range->low) | ((__u64)range->high - id)) >> 63) ^ 1;
}

static __always_inline _Bool ids_match(const struct ks_rule *rule)
{
    const struct cred *cred = bpf_get_current_task_btf()->cred;

    return in_range(cred->uid.val, &rule->uid) & in_range(cred->euid.val, &rule->euid) &
           in_range(cred->gid.val, &rule->gid) & in_range(cred->egid.val, &rule->egid);
}

/*
 * Position of the lowest bit that is set; BPF has no instruction for it. The product with a de
 * Bruijn sequence has a different upper six bits for each.
 */
#define DE_BRUIJN 0x03f79d71b4cb0a89ull
static const __u8 bit_position[64] = {
    0,  1,  48, 2,  57, 49, 28, 3,  61, 58, 50, 42, 38, 29, 17, 4,
    62, 55, 59, 36, 53, 51, 43, 22, 45, 39, 33, 30, 24, 18, 12, 5,
    63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21, 44, 32, 23, 11,
    46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9,  13, 8,  7,  6,
};

static __always_inline __u32 lowest_bit(__u64 bits)
{
    return bit_position[((bits & -bits) * DE_BRUIJN) >> 58];
}

/*
 * The length of the name and its first six bytes. Verifiers before 6.2 take a union for its first
 * member and refuse to load the word; what is false on the running kernel is never verified.
 */
static __always_inline __u64 first_word(const struct key *keyring)
{
    __u64 word = 0;

    if (LINUX_KERNEL_VERSION >= KERNEL_VERSION(6, 12, 0)) return keyring->index_key.x;
    bpf_core_read(&word, sizeof(word), &keyring->index_key.x);
    return word;
}

/* The second look at a keyring's name, for those of more than six bytes. */
static __always_inline __u64 rules_of_long_name(const struct ks_filter *filter,
                                                const struct key *keyring, __u64 word)
{
    struct ks_keyring_name name = {.generation = filter->generation};
    __u32 length = (__u16)word;
    __u64 *rules;

    name.length = length;
    barrier_var(length); /* so that what is checked is what is used */
    if (length > KS_KEYRING_PREFIX) length = KS_KEYRING_PREFIX;
    bpf_probe_read_kernel(name.prefix, length, keyring->index_key.description);
    rules = bpf_map_lookup_elem(&keyring_names, &name);
    return rules ? *rules : 0;
}

/* The rules that name this keyring. */
static __always_inline __u64 rules_of_keyring(const struct ks_filter *filter,
                                              const struct key *keyring)
{
    __u64 word = first_word(keyring);
    __u32 start = (word * filter->keyring_multiplier) >> (64 - KS_KEYRING_SLOTS_BITS);

#pragma unroll
    for (__u32 probe = 0; probe < KS_PROBES; probe++) {
        const struct ks_keyring_slot *slot =
            &filter->keyring[(start + probe) & (KS_KEYRING_SLOTS - 1)];

        if (!slot->word) return 0;
        if (slot->word != word) continue;
        if ((__u16)word <= sizeof(((struct keyring_index_key *)0)->desc)) return slot->rules;
        return rules_of_long_name(filter, keyring, word);
    }
    return 0;
}

/* The rules that name this type. */
static __always_inline __u64 rules_of_type(const struct ks_filter *filter,
                                           const union type_name *type)
{
    __u32 start = (ks_type_hash_word(type->word) * filter->type_multiplier) >>
                  (64 - KS_TYPE_SLOTS_BITS);

#pragma unroll
    for (__u32 probe = 0; probe < KS_PROBES; probe++) {
        const struct ks_type_slot *slot = &filter->type[(start + probe) & (KS_TYPE_SLOTS - 1)];

        if (!slot->name[0]) return 0;
        if (slot->name[0] == type->word[0] && slot->name[1] == type->word[1] &&
            slot->name[2] == type->word[2])
            return slot->rules;
    }
    return 0;
}

struct walk {
    __u64 rules; /* candidates not looked at yet */
    __u32 slot; /* of filters[] */
    __u32 wanted; /* enum wanted */
};

/* One step of the walk; 1 ends it. */
static long try_rule(__u32 step, struct walk *walk)
{
    const struct ks_rule *rule;
    __u32 position, flags;

    if (!walk->rules) return 1;
    position = lowest_bit(walk->rules);
    barrier_var(position); /* the compiler knows what is in the table, the verifier does not */
    rule = &filters[walk->slot & 1].rule[position & (KS_RULES_MAX - 1)];
    walk->rules &= walk->rules - 1;

    flags = rule->flags;
    if ((flags & KS_RULE_IDS) && !ids_match(rule)) return 0;
    if (flags & (KS_RULE_MEASURE | KS_RULE_UNDECIDED)) {
        walk->wanted |= WANT_RECORD;
        if (flags & KS_RULE_PAYLOAD)
            walk->wanted |= WANT_PAYLOAD | (flags & KS_RULE_BY_TYPE ? WANT_SECRET : 0);
    }
    /* Userspace judges the condition; whether this rule decides is open until then. */
    return !(flags & KS_RULE_UNDECIDED);
}

/* Walks the rules left over, in order, as the policy language demands: the first match decides. */
static __always_inline __u32 walk_rules(__u32 slot, __u64 rules)
{
    struct walk walk = {.rules = rules, .slot = slot};

    /* The first candidate decides nearly always; the loop is for the rest. */
    if (!try_rule(0, &walk)) bpf_loop(KS_RULES_MAX - 1, try_rule, &walk, 0);
    return walk.wanted;
}

/* Fills `type` too, where the event is to be sent. */
static __always_inline struct verdict judge(const struct key *keyring, const struct key *key,
                                            enum ks_operation operation, union type_name *type)
{
    __u32 generation = *(volatile __u32 *)&active_generation;
    const struct ks_filter *filter = &filters[generation & 1];
    struct verdict verdict = {.generation = generation};
    __u64 rules = 0;

    if (generation) {
        rules = (filter->any_keyring | rules_of_keyring(filter, keyring)) &
                filter->operations[operation];
        if (!rules) return verdict;
    }

    __builtin_memset(type, 0, sizeof(*type));
    bpf_probe_read_kernel_str(type->name, sizeof(type->name), key->index_key.type->name);

    if (!generation) {
        if (is_public_type(type)) verdict.wanted = WANT_RECORD | WANT_PAYLOAD;
        return verdict;
    }
    if (rules & ~filter->any_type) rules &= filter->any_type | rules_of_type(filter, type);
    if (rules) verdict.wanted = walk_rules(generation & 1, rules);
    return verdict;
}

#endif
