/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds the key that keyctl(2) was given by number, for operations of which no function of the kernel
 * is called with the key itself: lookup_user_key() in security/keys/process_keys.c.
 */
#ifndef KEYSCRIBE_KEY_LOOKUP_BPF_H
#define KEYSCRIBE_KEY_LOOKUP_BPF_H

#include "baseline.bpf.h"

#define COLOR_BITS 3ul /* of rb_node.__rb_parent_color */
#define TREE_DEPTH_MAX 64

struct tree_search {
    __u64 node;
    __u64 found;
    __s32 serial;
};

/* One step up; 1 ends the walk. */
static long to_parent(__u32 step, struct tree_search *search)
{
    const struct rb_node *node = (const void *)search->node;
    unsigned long parent = 0;

    bpf_core_read(&parent, sizeof(parent), &node->__rb_parent_color);
    parent &= ~COLOR_BITS;
    if (!parent) return 1;
    search->node = parent;
    return 0;
}

/* One step down; 1 ends the walk. */
static long to_child(__u32 step, struct tree_search *search)
{
    const struct rb_node *node = (const void *)search->node;
    const struct key *key = (const void *)node - bpf_core_field_offset(struct key, serial_node);
    __s32 serial = READ_KEY(key, 0, serial);
    struct rb_node *next = 0;

    if (serial == search->serial) {
        search->found = (__u64)key;
        return 1;
    }
    if (serial < search->serial) bpf_core_read(&next, sizeof(next), &node->rb_right);
    else bpf_core_read(&next, sizeof(next), &node->rb_left);
    search->node = (__u64)next;
    return !next;
}

/*
 * 0: not found. All keys stand in one tree, whose root has no name that a program may use: it is
 * reached from a key that stays. Nothing keeps others from turning the tree meanwhile, so a
 * search can fail that would not fail again.
 */
__noinline __u64 key_of_serial(__s32 serial)
{
    struct tree_search search = {.found = unknown_zero, .serial = serial};
    __u64 stays = *(volatile __u64 *)&key_that_stays;

    for (__u32 attempt = 0; attempt < 3 && stays && !search.found; attempt++) {
        search.node = stays + bpf_core_field_offset(struct key, serial_node);
        bpf_loop(TREE_DEPTH_MAX, to_parent, &search, 0);
        bpf_loop(TREE_DEPTH_MAX, to_child, &search, 0);
    }
    return search.found;
}

/* A user's keyrings stand in a keyring of the user namespace, as "_uid.N" and "_uid_ses.N". */
#define UID_WORD WORD('_', 'u', 'i', 'd', '.', 0, 0, 0)
#define UID_SES_WORD WORD('_', 'u', 'i', 'd', '_', 's', 'e', 's')

struct user_search {
    struct walk_members members;
    __u64 found;
    __u64 word, mask; /* what the name begins with */
    __u32 uid;
};

static long visit_user_keyring(__u32 step, struct user_search *search)
{
    const struct key *key = next_member(&search->members);
    __u64 word = 0;

    if (!key) return search->members.done & 1;
    bpf_probe_read_kernel(&word, sizeof(word), READ_KEY(key, 0, index_key.description));
    if ((word & search->mask) != search->word || READ_KEY(key, 0, uid.val) != search->uid) return 0;
    search->found = (__u64)key;
    return 1;
}

#define USERS_MAX (1u << 20)

/* `session`: the user's session keyring, else the user's keyring. 0: not found. */
__noinline __u64 user_keyring(__u32 session)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct user_search search = {.found = unknown_zero};

    search.uid = BPF_CORE_READ(task, cred, user, uid.val);
    search.word = session ? UID_SES_WORD : UID_WORD;
    search.mask = session ? ~0ull : ~0ull >> 24;
    begin_members(&search.members,
                  (__u64)BPF_CORE_READ(task, cred, user_ns, user_keyring_register));
    bpf_loop(USERS_MAX, visit_user_keyring, &search, 0);
    return search.found;
}

/* KEY_SPEC_* in <linux/keyctl.h>. 0: not found. */
static __always_inline const struct key *key_of_id(__s32 id)
{
    struct task_struct *task = bpf_get_current_task_btf();
    const struct request_key_auth *request;
    struct key *key = 0;

    switch (id) {
    case -1: return BPF_CORE_READ(task, cred, thread_keyring);
    case -2: return BPF_CORE_READ(task, cred, process_keyring);
    case -3: return BPF_CORE_READ(task, cred, session_keyring);
    case -4:
    case -5: return (const struct key *)user_keyring(id == -5);
    case -7: return BPF_CORE_READ(task, cred, request_key_auth);
    case -8:
        key = BPF_CORE_READ(task, cred, request_key_auth);
        request = READ_KEY(key, 0, payload.data[0]);
        bpf_core_read(&key, sizeof(key), &request->dest_keyring);
        return key;
    default: return (const struct key *)key_of_serial(id);
    }
}

#endif
