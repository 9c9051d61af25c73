/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The policy as the BPF programs see it: for each condition the set of rules that it satisfies, a
 * bit per rule. The programs intersect the sets and walk what is left in the rules' order, so
 * they find the first rule that matches, as the policy language demands.
 *
 * Everything carries the generation of the policy that it belongs to. A reload fills the tables
 * of the next generation beside those in use, switches with one store, waits until no program can
 * still use the old ones, and only then removes them.
 */
#ifndef KEYSCRIBE_FILTER_H
#define KEYSCRIBE_FILTER_H

#include "event.h"

#define KS_RULES_MAX 64 /* rules of func=KEY_CHECK in all files together */
#define KS_KEYRING_ENTRIES 4096 /* keyring names in all rules together, two generations */
#define KS_TYPE_ENTRIES 256
#define KS_KEYRING_PREFIX 58

/*
 * First look: the length of the keyring's name and its first six bytes, which the kernel keeps in
 * one word (struct keyring_index_key in <linux/key.h>, little-endian): length | byte0 << 16 | ...
 */
struct ks_keyring_word {
    ks_u64 word;
    ks_u32 generation;
    ks_u32 reserved;
};

/* Second look, only for names of more than six bytes. Bytes behind the name are zero. */
struct ks_keyring_name {
    ks_u32 generation;
    ks_u16 length; /* of the whole name, also where it is longer than the prefix */
    char prefix[KS_KEYRING_PREFIX];
};

struct ks_type_name {
    char name[KS_TYPE_NAME_SIZE]; /* zero-filled */
    ks_u32 generation;
    ks_u32 reserved;
};

enum ks_rule_flag {
    KS_RULE_MEASURE = 1u << 0, /* else dont_measure */
    /* Has a condition that is judged in userspace (desc=, a long name): always sent. */
    KS_RULE_UNDECIDED = 1u << 1,
    /* Wants the payload (payload=full or payload=digest). */
    KS_RULE_PAYLOAD = 1u << 2,
    /* Names the key's type (key_type=): only then a secret payload is copied. */
    KS_RULE_BY_TYPE = 1u << 3,
    /* Has a condition on ids below that is not "any". */
    KS_RULE_IDS = 1u << 4,
};

/* Both ends included; nothing matches where low > high. */
struct ks_id_range {
    ks_u32 low;
    ks_u32 high;
};

struct ks_rule {
    ks_u32 flags;
    struct ks_id_range uid;
    struct ks_id_range euid;
    struct ks_id_range gid;
    struct ks_id_range egid;
};

/* generation 0 means that there is no policy yet: every event of a public type is sent. */
struct ks_filter {
    ks_u32 generation;
    ks_u32 rules;
    ks_u64 any_keyring; /* rules without keyrings= */
    ks_u64 any_type; /* rules with key_type=* */
    ks_u64 operations[KS_OP_COUNT]; /* rules whose op= (or its default) has the operation */
    struct ks_rule rule[KS_RULES_MAX];
};

#endif
