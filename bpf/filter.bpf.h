/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds out whether any rule of the active policy can match, before anything is copied. */
#ifndef KEYSCRIBE_FILTER_BPF_H
#define KEYSCRIBE_FILTER_BPF_H

#include "type_name.bpf.h"

/* What to do with one event. */
enum wanted {
    WANT_RECORD = 1u << 0,
    WANT_PAYLOAD = 1u << 1, /* if it is public */
    WANT_SECRET = 1u << 2, /* even if it is secret */
    WANT_REMEMBER = 1u << 3, /* for the payload alone */
};

struct verdict {
    __u32 generation;
    __u32 wanted; /* enum wanted; 0: nothing, no rule can match */
};

/* 1 or 0 without a branch, since every branch doubles what the verifier has to walk. */
static __always_inline __u64 in_range(__u32 id, const struct ks_id_range *range)
{
    return ((((__u64)id - range->low) | ((__u64)range->high - id)) >> 63) ^ 1;
}

static __always_inline _Bool ids_match(const struct ks_rule *rule)
{
    const struct cred *cred = untrusted_task()->cred;

    return in_range(cred->uid.val, &rule->uid) & in_range(cred->euid.val, &rule->euid) &
           in_range(cred->gid.val, &rule->gid) & in_range(cred->egid.val, &rule->egid);
}

/*
 * Position of the lowest bit that is set; BPF has no instruction for it. The product with a de
 * Bruijn sequence has a different upper six bits for each.
 */
#define DE_BRUIJN 0x03f79d71b4cb0a89ull
static const __u8 bit_position[64] = {
/* clang-format off */
    0,  1,  48, 2,  57, 49, 28, 3,  61, 58, 50, 42, 38, 29, 17, 4,
    62, 55, 59, 36, 53, 51, 43, 22, 45, 39, 33, 30, 24, 18, 12, 5,
    63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21, 44, 32, 23, 11,
    46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9,  13, 8,  7,  6,
/* clang-format on */
};

static __always_inline __u32 lowest_bit(__u64 bits)
{
    return bit_position[((bits & -bits) * DE_BRUIJN) >> 58];
}

/*
 * The length of the name and its first six bytes. Verifiers before 6.2 take a union for its first
 * member and refuse to load the word; what is false on the running kernel is never verified.
 */
static __always_inline __u64 first_word(const struct key *keyring, _Bool trusted)
{
    __u64 word = 0;

    if (trusted && LINUX_KERNEL_VERSION >= KERNEL_VERSION(6, 12, 0)) return keyring->index_key.x;
    bpf_core_read(&word, sizeof(word), &keyring->index_key.x);
    return word;
}

/*
 * The bytes behind the sixth, of a name of 7 to 14. key_alloc() copies a description to where
 * kmalloc() says, so a word at a multiple of eight is there whole, or beyond the end and not used.
 */
static __always_inline __u64 second_word(__u64 description, __u32 behind)
{
    const __u64 *text = WORDS(description);

    return (text[0] >> 48 | text[1] << 16) & ~0ull >> (64 - 8 * behind);
}

/* The same as below for a name whose words are all zero but for the first two. */
static __always_inline __u64 rules_of_two_words(const struct ks_filter *filter, __u64 first,
                                                __u64 second)
{
    __u64 name[KS_NAME_WORDS] = {first, second};
    __u32 start = (ks_name_hash_word(name) * filter->name_multiplier) >> (64 - KS_NAME_SLOTS_BITS);

#pragma unroll
    for (__u32 probe = 0; probe < KS_PROBES; probe++) {
        const struct ks_name_slot *slot = &filter->name[(start + probe) & (KS_NAME_SLOTS - 1)];

        if (!slot->word[0]) return 0;
        /* The first has the length: the others are zero in both. */
        if (slot->word[0] == first && slot->word[1] == second) return slot->rules;
    }
    return 0;
}

/* The second look at a keyring's name, for those of more than six bytes. */
__noinline __u64 rules_of_long_name(__u32 which, __u64 word, __u64 description)
{
    const struct ks_filter *filter = &filters[which & 1];
    __u64 name[KS_NAME_WORDS] = {word};
    __u32 behind = (__u16)word - KS_NAME_HEAD;
    __u32 start;

    if (CAN_CAST && behind <= 8 && !(description & 7))
        return rules_of_two_words(filter, word, second_word(description, behind));
    barrier_var(behind); /* so that what is checked is what is used */
    if (behind > sizeof(name) - sizeof(name[0])) behind = sizeof(name) - sizeof(name[0]);
    bpf_probe_read_kernel(&name[1], behind, (const char *)description + KS_NAME_HEAD);
    start = (ks_name_hash_word(name) * filter->name_multiplier) >> (64 - KS_NAME_SLOTS_BITS);
#pragma unroll
    for (__u32 probe = 0; probe < KS_PROBES; probe++) {
        const struct ks_name_slot *slot = &filter->name[(start + probe) & (KS_NAME_SLOTS - 1)];
        __u64 difference = 0;

        if (!slot->word[0]) return 0;
#pragma unroll
        for (__u32 i = 0; i < KS_NAME_WORDS; i++) difference |= slot->word[i] ^ name[i];
        if (!difference) return slot->rules;
    }
    return 0;
}

/* The first look: the rules that name a keyring whose name has this first word. */
static __always_inline __u64 rules_of_word(__u32 which, __u64 word)
{
    const struct ks_filter *filter = &filters[which & 1];
    __u32 start = (word * filter->keyring_multiplier) >> (64 - KS_KEYRING_SLOTS_BITS);

#pragma unroll
    for (__u32 probe = 0; probe < KS_PROBES; probe++) {
        const struct ks_keyring_slot *slot =
            &filter->keyring[(start + probe) & (KS_KEYRING_SLOTS - 1)];

        if (!slot->word) return 0;
        if (slot->word == word) return slot->rules;
    }
    return 0;
}

/* The rules of filters[which] that name this keyring, a member of the change. */
#define RULES_OF(which, change, pointer, trusted)                                                  \
    ({                                                                                             \
        __u64 word_ = first_word((change)->pointer, (change)->trusted);                            \
        __u64 rules_ = rules_of_word(which, word_);                                                \
        if (rules_ && (__u16)word_ > KS_NAME_HEAD)                                                 \
            rules_ = rules_of_long_name(                                                           \
                which, word_,                                                                      \
                as_number(READ_KEY((change)->pointer, (change)->trusted, index_key.description))); \
        rules_;                                                                                    \
    })

/* The rules that name this type. */
__noinline __u64 rules_of_type(__u32 which, __u64 word0, __u64 word1, __u64 word2)
{
    const struct ks_filter *filter = &filters[which & 1];
    __u64 word[] = {word0, word1, word2};
    __u32 start = (ks_type_hash_word(word) * filter->type_multiplier) >> (64 - KS_TYPE_SLOTS_BITS);

#pragma unroll
    for (__u32 probe = 0; probe < KS_PROBES; probe++) {
        const struct ks_type_slot *slot = &filter->type[(start + probe) & (KS_TYPE_SLOTS - 1)];

        if (!slot->name[0]) return 0;
        if (!((slot->name[0] ^ word0) | (slot->name[1] ^ word1) | (slot->name[2] ^ word2)))
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
__noinline __u32 walk_rules(__u32 slot, __u64 rules)
{
    struct walk walk = {.rules = rules, .slot = slot};

    bpf_loop(KS_RULES_MAX, try_rule, &walk, 0);
    return walk.wanted;
}

/* 1 for a key that stands, or once stood, in a keyring that is watched. */
static __always_inline __u64 mark_of(__s32 serial)
{
    __u32 bit = (__u32)serial & ((1u << KS_WATCHED_BITS) - 1);

    return watched[bit >> 6] >> (bit & 63) & 1;
}

static __always_inline _Bool is_watched(__s32 serial)
{
    return mark_of(serial);
}

/*
 * Whoever changes what the key is (revokes it, say) has done so before the program looks for the mark, so
 * whoever sets it reads what the key is afterwards: on x86-64 the atomic instruction, and the kernel's
 * own when it unlocks the key, keep the two in order.
 */
static __always_inline void watch_if(__u32 asked, __s32 serial)
{
    __u32 bit = (__u32)serial & ((1u << KS_WATCHED_BITS) - 1);

    if (asked & (mark_of(serial) ^ 1)) __sync_fetch_and_or(&watched[bit >> 6], 1ull << (bit & 63));
}

static __always_inline void watch(__s32 serial)
{
    watch_if(1, serial);
}

/* The operation is one on what the keyring holds: the type of a key has no say. */
static __always_inline _Bool is_about_keyring(enum ks_operation operation)
{
    return operation == KS_OP_CLEAR || operation == KS_OP_RESTRICT;
}

static __always_inline _Bool brings_key(enum ks_operation operation)
{
    return operation == KS_OP_CREATE || operation == KS_OP_INSTANTIATE || operation == KS_OP_LINK ||
           operation == KS_OP_MOVE;
}

/* What a key is, in all keyrings that hold it. */
static __always_inline _Bool changes_key(enum ks_operation operation)
{
    return operation == KS_OP_UPDATE || operation == KS_OP_INSTANTIATE || operation == KS_OP_REJECT;
}

/* 1 where any bit is set, without a branch. */
static __always_inline __u32 any(__u64 bits)
{
    __u64 negative = -bits;

    barrier_var(negative); /* or the compiler makes a comparison of it */
    return (bits | negative) >> 63;
}

/*
 * 1 for a keyring that no rule names (`rules`: those that do) and that stands, or once stood, in one
 * that a rule names, or in one of these, and so on: it got its mark when it came there.
 */
static __always_inline __u64 is_nested(__u64 rules, __s32 serial)
{
    return (any(rules) ^ 1) & mark_of(serial);
}

/*
 * The rules whose keyrings= is met. All of them, and *open is set, where a keyring is nested: a search
 * in the one above it goes on in it, and only userspace knows which that is.
 */
static __always_inline __u64 rules_of_place(__u32 which, const struct change *change,
                                            const struct key_type *type, __u64 *open)
{
    __u64 rules = RULES_OF(which, change, keyring, keyring_trusted), of_from;

    *open |= is_nested(rules, OF_KEYRING(change, serial));
    if (change->from) {
        of_from = RULES_OF(which, change, from, keyring_trusted);
        *open |= is_nested(of_from, READ_KEY(change->from, change->keyring_trusted, serial));
        rules |= of_from;
    }
    /* What happens to a keyring concerns whoever names that keyring. */
    if (!is_about_keyring(change->operation) && type == OF_KEYRING(change, index_key.type))
        rules |= RULES_OF(which, change, key, key_trusted);
    return rules | filters[which & 1].any_keyring | -*open;
}

/* Whatever any of these rules, which measure, wants. */
static __always_inline __u32 wants_of_all(const struct ks_filter *filter, __u64 rules)
{
    return any(rules) * WANT_RECORD | any(rules & filter->payload) * WANT_PAYLOAD |
           any(rules & filter->secrets) * WANT_SECRET;
}

/*
 * What the rules that are asked want. The first nearly always decides; the walk is for the rest. Where
 * the place is open (1, else 0) userspace decides, and what any of them wants is sent. Both at once,
 * without a branch, which would cost the verifier of 6.1 a third more for each program.
 */
static __always_inline __u32 wants_of(__u32 which, __u64 asked, __u64 open)
{
    const struct ks_filter *filter = &filters[which & 1];
    const __u64 all = -open;
    __u64 deciding = asked & (-asked | all);

    if (deciding & ~all & filter->conditional) return walk_rules(which, asked);
    return open * WANT_RECORD | wants_of_all(filter, deciding & (filter->holders | all));
}

/*
 * Only userspace knows all keyrings that the operation concerns: it is one on the key itself, or changes
 * what the key is, in its keyring and wherever else it stands.
 */
static __always_inline __u64 is_place_open(const struct change *change)
{
    return !change->keyring ||
           (changes_key(change->operation) && is_watched(OF_KEY(change, serial)));
}

/*
 * The rules whose keyrings= is met, or can be: where the place is open that is all rules, if the key
 * stands, or once stood, in a keyring that a rule names.
 */
static __always_inline __u64 rules_that_may_care(__u32 which, const struct change *change,
                                                 const struct key_type *type, __u64 *open)
{
    if (change->keyring) return *open ? ~0ull : rules_of_place(which, change, type, open);
    /* keyring_alloc() too, of a keyring in no keyring, whose own name is looked at later. */
    if (change->operation == KS_OP_INSTANTIATE || is_watched(OF_KEY(change, serial))) return ~0ull;
    return filters[which & 1].any_keyring;
}

/* Where the key is an asymmetric one, a link may bring it, later, where its payload is wanted. */
static __always_inline _Bool may_be_linked(const struct change *change,
                                           const struct ks_filter *filter)
{
    return (change->operation == KS_OP_CREATE || change->operation == KS_OP_INSTANTIATE) &&
           filter->remember;
}

/* Fills `type` too, where the event is to be sent. */
static __always_inline struct verdict judge(const struct change *change, union type_name *type)
{
    __u32 generation = *(volatile __u32 *)&active_generation;
    const struct ks_filter *filter = &filters[generation & 1];
    struct verdict verdict = {.generation = generation};
    /* Loaded once: for a pointer in what it trusts, the verifier of 6.12 searches all of BTF four
     * times. */
    const struct key_type *kernel_type = OF_KEY(change, index_key.type);
    __u64 asked = 0, holders = 0, allowed;
    __u64 open = is_place_open(change);

    if (generation) {
        allowed = rules_that_may_care(generation, change, kernel_type, &open);
        asked = allowed & filter->operations[change->operation];
        if (ks_changes_holders(change->operation)) holders = allowed & filter->holders;
        if (!(asked | holders) &&
            (!may_be_linked(change, filter) ||
             /* Nobody knows before the first one was seen: its name has to tell. */
             (asymmetric_type && (const void *)kernel_type != asymmetric_type)))
            return verdict;
    }

    read_type_name(type, kernel_type, change->key_trusted);

    if (!generation) {
        if (is_public_type(type)) verdict.wanted = WANT_RECORD | WANT_PAYLOAD;
        return verdict;
    }

    allowed = ~0ull;
    if (!is_about_keyring(change->operation) && ((asked | holders) & ~filter->any_type))
        allowed = filter->any_type |
                  rules_of_type(generation, type->word[0], type->word[1], type->word[2]);
    if (!change->keyring && change->operation == KS_OP_INSTANTIATE &&
        !is_watched(OF_KEY(change, serial)))
        allowed &= filter->any_keyring |
                   (is_keyring(type) ? RULES_OF(generation, change, key, key_trusted) : 0);
    asked &= allowed;
    if (asked) verdict.wanted = wants_of(generation, asked, open);
    if (!verdict.wanted && (holders & allowed)) verdict.wanted = WANT_RECORD;
    if (is_asymmetric(type) && !(verdict.wanted & WANT_PAYLOAD) && may_be_linked(change, filter))
        verdict.wanted |=
            verdict.wanted ? WANT_PAYLOAD : WANT_RECORD | WANT_PAYLOAD | WANT_REMEMBER;
    return verdict;
}

#endif
