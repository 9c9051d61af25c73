/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds out whether any rule of the active policy can match, before anything is copied. */
#ifndef KEYSCRIBE_FILTER_BPF_H
#define KEYSCRIBE_FILTER_BPF_H

#include "kernel_types.h"
#include "maps.bpf.h"

/* What to do with one event. */
struct verdict {
    __u32 generation;
    _Bool send;
    _Bool payload; /* copy the payload if it is public */
    _Bool secret; /* copy the payload even if it is secret */
};

/* The type's name as the filter and the record have it, and as words for quick comparison. */
union type_name {
    struct ks_type_name name;
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

static __always_inline _Bool in_range(__u32 id, const struct ks_id_range *range)
{
    return id >= range->low && id <= range->high;
}

static __always_inline _Bool ids_match(const struct ks_rule *rule)
{
    const struct cred *cred = bpf_get_current_task_btf()->cred;

    return in_range(cred->uid.val, &rule->uid) && in_range(cred->euid.val, &rule->euid) &&
           in_range(cred->gid.val, &rule->gid) && in_range(cred->egid.val, &rule->egid);
}

/* Position of the lowest bit that is set; BPF has no instruction for it. */
static __always_inline __u32 lowest_bit(__u64 bits)
{
    __u32 position = 0;

    if (!(bits & 0xffffffff)) { position += 32; bits >>= 32; }
    if (!(bits & 0xffff)) { position += 16; bits >>= 16; }
    if (!(bits & 0xff)) { position += 8; bits >>= 8; }
    if (!(bits & 0xf)) { position += 4; bits >>= 4; }
    if (!(bits & 0x3)) { position += 2; bits >>= 2; }
    if (!(bits & 0x1)) position += 1;
    return position;
}

/* The rules that watch this keyring. */
static __always_inline __u64 rules_of_keyring(const struct ks_filter *filter,
                                              const struct key *keyring)
{
    struct ks_keyring_word word = {
        .word = keyring->index_key.x,
        .generation = filter->generation,
    };
    struct ks_keyring_name name = {};
    __u16 length = (__u16)word.word;
    __u64 *rules;

    rules = bpf_map_lookup_elem(&keyring_words, &word);
    if (!rules) return filter->any_keyring;
    if (length <= sizeof(((struct keyring_index_key *)0)->desc))
        return filter->any_keyring | *rules;

    name.generation = filter->generation;
    name.length = length;
    if (length > KS_KEYRING_PREFIX) length = KS_KEYRING_PREFIX;
    bpf_probe_read_kernel(name.prefix, length, keyring->index_key.description);
    rules = bpf_map_lookup_elem(&keyring_names, &name);
    return rules ? filter->any_keyring | *rules : filter->any_keyring;
}

/* Walks the rules left over, in order, as the policy language demands: the first match decides. */
static __always_inline void walk_rules(const struct ks_filter *filter, __u64 rules,
                                       struct verdict *verdict)
{
    for (int step = 0; step < KS_RULES_MAX && rules; step++) {
        const struct ks_rule *rule = &filter->rule[lowest_bit(rules) & (KS_RULES_MAX - 1)];
        __u32 flags = rule->flags;

        rules &= rules - 1;
        if ((flags & KS_RULE_IDS) && !ids_match(rule)) continue;
        if (flags & (KS_RULE_MEASURE | KS_RULE_UNDECIDED)) {
            verdict->send = 1;
            if (flags & KS_RULE_PAYLOAD) {
                verdict->payload = 1;
                if (flags & KS_RULE_BY_TYPE) verdict->secret = 1;
            }
        }
        /* Userspace judges the condition; whether this rule decides is open until then. */
        if (!(flags & KS_RULE_UNDECIDED)) return;
    }
}

/* Fills `type` too, where the event is to be sent. */
static __always_inline struct verdict judge(const struct key *keyring, const struct key *key,
                                            enum ks_operation operation, union type_name *type)
{
    __u32 generation = *(volatile __u32 *)&active_generation;
    const struct ks_filter *filter = &filters[generation & 1];
    struct verdict verdict = {.generation = generation};
    __u64 rules = 0, *of_type;

    if (generation) {
        rules = rules_of_keyring(filter, keyring) & filter->operations[operation];
        if (!rules) return verdict;
    }

    __builtin_memset(type, 0, sizeof(*type));
    type->name.generation = generation;
    bpf_probe_read_kernel_str(type->name.name, sizeof(type->name.name),
                              key->index_key.type->name);

    if (!generation) {
        verdict.send = verdict.payload = is_public_type(type);
        return verdict;
    }
    if (rules & ~filter->any_type) {
        of_type = bpf_map_lookup_elem(&type_names, type);
        rules &= filter->any_type | (of_type ? *of_type : 0);
    }
    walk_rules(filter, rules, &verdict);
    return verdict;
}

#endif
