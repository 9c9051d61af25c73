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
#define KS_KEYRINGS_MAX 512 /* different keyring names in all rules together */
#define KS_TYPES_MAX 32 /* different key types in all rules together */

/*
 * A keyring's name as words: the first has its length and its first six bytes, as the kernel keeps
 * them in one word (struct keyring_index_key in <linux/key.h>, little-endian: length | byte0 << 16
 * | ...), the others the bytes behind those, zero-filled. What is beyond KS_KEYRING_PREFIX bytes is
 * judged in userspace.
 */
#define KS_NAME_WORDS 8
#define KS_NAME_HEAD 6
#define KS_KEYRING_PREFIX (KS_NAME_HEAD + 8 * (KS_NAME_WORDS - 1))

/*
 * The tables below are hash tables that lie in the filter itself: an event that no rule can match
 * must not cost even a map look-up. A key stands in one of KS_PROBES slots from where its hash (a
 * word times a multiplier, the upper bits of it) points; the compiler looks for a multiplier with
 * which all keys find room.
 */
#define KS_KEYRING_SLOTS_BITS 12
#define KS_KEYRING_SLOTS (1u << KS_KEYRING_SLOTS_BITS)
#define KS_NAME_SLOTS_BITS 11
#define KS_NAME_SLOTS (1u << KS_NAME_SLOTS_BITS)
#define KS_TYPE_SLOTS_BITS 8
#define KS_TYPE_SLOTS (1u << KS_TYPE_SLOTS_BITS)
#define KS_PROBES 4

/* First look, by the first word. For names of more than six bytes the second look decides. */
struct ks_keyring_slot {
    ks_u64 word; /* 0: empty, since no keyring's name is */
    ks_u64 rules;
};

/* Second look, by all words. */
struct ks_name_slot {
    ks_u64 word[KS_NAME_WORDS]; /* the first is 0: empty */
    ks_u64 rules;
};

static inline ks_u64 ks_name_hash_word(const ks_u64 word[KS_NAME_WORDS])
{
    return word[0] + 3 * word[1] + 5 * word[2] + 7 * word[3] + 9 * word[4] + 11 * word[5] +
           13 * word[6] + 15 * word[7];
}

/* The type's name, zero-filled, as words. */
struct ks_type_slot {
    ks_u64 name[KS_TYPE_NAME_SIZE / 8]; /* all zero: empty */
    ks_u64 rules;
};

static inline ks_u64 ks_type_hash_word(const ks_u64 name[KS_TYPE_NAME_SIZE / 8])
{
    return name[0] + 3 * name[1] + 5 * name[2];
}

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

/*
 * Keys that stand, or once stood, in a keyring that a rule names: a bit for a serial's lower bits.
 * An operation on a key itself is of interest only for those. A bit that is set by a stranger's
 * serial costs a record that userspace then finds without interest.
 */
#define KS_WATCHED_BITS 22
#define KS_WATCHED_WORDS (1u << (KS_WATCHED_BITS - 6))

/* Process images and cgroups that were announced, each in the place that the lower bits of its pid or
 * id lead to: the controller has the same table, and forgets what the programs forget. */
#define KS_PLACES 256u
struct ks_image {
    ks_u64 start_time;
    ks_u64 file; /* address of the file that mm->exe_file is: with another, it is told again */
    ks_u32 pid;
    ks_u32 exec_id;
    ks_u64 reserved; /* for 32 bytes, which are found by a shift */
};

/* What the controller asks the baseline program for. */
enum ks_baseline_mode {
    KS_BASELINE_OFF = 0,
    KS_BASELINE_NAMED, /* all keyrings of the user namespace that have a name */
    KS_BASELINE_MEMBERS, /* the keyring `serial`, then its members */
};

struct ks_baseline {
    ks_u32 mode; /* enum ks_baseline_mode */
    ks_u32 tgid; /* who asks */
    ks_s32 serial;
    ks_u32 start; /* members to leave out: they were sent before */
    ks_u32 sent; /* answer: members looked at so far, those left out included */
    ks_u32 found; /* answer: 1, the keyring was found */
    ks_u32 more; /* answer: 1, the ring was full: go on at `sent` */
    ks_u32 ran; /* answer: 1, the program ran; the kernel can skip it */
};

/*
 * Whether each program runs is found out by operations of the controller's own, on keys of its own. The
 * programs answer them here and record nothing: such an operation has no sequence number that could be
 * missing, whoever dies in the midst of it.
 */
#define KS_CANARY_FORK KS_OP_COUNT /* a bit of `answered`: the controller began a thread */
#define KS_CANARY_KEYS 6
struct ks_canary {
    ks_u32 tgid; /* whose operations are answered; 0: nobody asks now */
    ks_u32 answered; /* a bit for each enum ks_operation */
    ks_u64 start; /* of that process, in 1/100 s since the boot: a tgid is given again */
    /* Of the controller's, and to be destroyed by the garbage collector, not by itself; 0: nobody's, or it
     * was. */
    ks_s32 keys[KS_CANARY_KEYS];
};

/* generation 0 means that there is no policy yet: every event of a public type is sent. */
struct ks_filter {
    ks_u32 generation;
    ks_u32 rules;
    ks_u64 any_keyring; /* rules without keyrings= */
    ks_u64 any_type; /* rules with key_type=* */
    ks_u64 operations[KS_OP_COUNT]; /* rules whose op= (or its default) has the operation */
    ks_u64
        holders; /* rules that measure: who holds which key is told for them, whatever op= says */
    ks_u64 conditional; /* rules that have KS_RULE_IDS or KS_RULE_UNDECIDED */
    ks_u64 payload; /* rules that want the payload (KS_RULE_PAYLOAD) */
    ks_u64 secrets; /* of these, those that name the key's type (KS_RULE_BY_TYPE) */
    ks_u64 remember; /* not 0: a link may bring an asymmetric key where its payload is wanted */
    ks_u64 keyring_multiplier;
    ks_u64 name_multiplier;
    ks_u64 type_multiplier;
    struct ks_rule rule[KS_RULES_MAX];
    struct ks_keyring_slot keyring[KS_KEYRING_SLOTS];
    struct ks_name_slot name[KS_NAME_SLOTS];
    struct ks_type_slot type[KS_TYPE_SLOTS];
};

#endif
