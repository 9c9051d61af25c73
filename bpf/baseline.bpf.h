/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sends keys as they stand: keyrings that have a name, and the members of a keyring. It needs no
 * permission on any of them, and reads as the kernel itself does under RCU (keyring_read(),
 * lib/assoc_array.c), which the caller holds.
 */
#ifndef KEYSCRIBE_BASELINE_BPF_H
#define KEYSCRIBE_BASELINE_BPF_H

#include "record.bpf.h"

#define STEPS_MAX (1u << 23)

/* Of pointers in a keyring's tree: <linux/assoc_array_priv.h>, security/keys/keyring.c. */
#define IS_META 1ul
#define IS_SHORTCUT 2ul
#define POINTER_BITS 3ul

/* Through all members of a keyring. */
struct walk_members {
    __u64 node;
    __u32 slot;
    __u32 done; /* the last one was given */
};

static __always_inline void begin_members(struct walk_members *walk, __u64 keyring)
{
    struct assoc_array_ptr *root = 0;
    __u64 pointer;

    bpf_core_read(&root, sizeof(root), &((const struct key *)keyring)->keys.root);
    pointer = (__u64)root;
    if (pointer & IS_SHORTCUT) {
        const struct assoc_array_shortcut *shortcut = (const void *)(pointer & ~POINTER_BITS);

        bpf_core_read(&root, sizeof(root), &shortcut->next_node);
        pointer = (__u64)root;
    }
    walk->node = pointer & ~POINTER_BITS;
    walk->slot = unknown_zero;
    walk->done = !(pointer & IS_META);
}

/* One slot of the tree: the key that stands there, or 0. */
static __always_inline const struct key *next_member(struct walk_members *walk)
{
    const struct assoc_array_node *node = (const void *)walk->node;
    struct assoc_array_ptr *next = 0;
    __u64 pointer;

    if (walk->done) return 0;
    if (walk->slot < 16) {
        __u32 slot = walk->slot++;

        bpf_core_read(&next, sizeof(next), &node->slots[slot]);
        pointer = (__u64)next;
        if (!(pointer & IS_META)) return (const struct key *)(pointer & ~POINTER_BITS);
        if (pointer & IS_SHORTCUT) {
            const struct assoc_array_shortcut *shortcut = (const void *)(pointer & ~POINTER_BITS);

            bpf_core_read(&next, sizeof(next), &shortcut->next_node);
            pointer = (__u64)next;
        }
        walk->node = pointer & ~POINTER_BITS;
        walk->slot = 0;
        return 0;
    }
    /* Back to where the walk came down. */
    __u8 parent_slot = 0;

    bpf_core_read(&next, sizeof(next), &node->back_pointer);
    bpf_core_read(&parent_slot, sizeof(parent_slot), &node->parent_slot);
    pointer = (__u64)next;
    if (pointer & IS_SHORTCUT) {
        const struct assoc_array_shortcut *shortcut = (const void *)(pointer & ~POINTER_BITS);
        int slot = 0;

        bpf_core_read(&slot, sizeof(slot), &shortcut->parent_slot);
        parent_slot = slot;
        bpf_core_read(&next, sizeof(next), &shortcut->back_pointer);
        pointer = (__u64)next;
    }
    walk->done = !pointer;
    walk->node = pointer & ~POINTER_BITS;
    walk->slot = parent_slot + 1;
    return 0;
}

/*
 * `mark`: 1 where the key stands in a watched keyring, or is one (watch()), else 0. 0: the ring has no room. Global
 * functions, here and below: see README.md.
 */
__noinline int send_as_it_stands(__u64 key, __u64 keyring, __u32 mark)
{
    struct change change = {.key = (const struct key *)key,
                            .keyring = (const struct key *)keyring,
                            .operation = KS_OP_BASELINE};
    struct verdict verdict = {.generation = active_generation};
    union type_name type;

    read_type_name(&type, READ_KEY(change.key, 0, index_key.type), 0);
    watch_if(mark, READ_KEY(change.key, 0, serial));
    if (!is_asymmetric(&type)) return send_without(&change, &type, &verdict, 0, 0);
    if (is_private_key(key)) return send_without(&change, &type, &verdict, 0, KS_EVENT_SECRET);
    return send_public_key(&change, &type, &verdict, 0, 0);
}

/*
 * The operations of others need room as well: half of the ring is left to them. Once the controller
 * has read what there is, there is room again.
 */
static __always_inline _Bool leaves_room(void)
{
    return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) <=
           bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE) / 2;
}

/* Whether the one that is looked at now was sent in a former run. Counts it. */
static __always_inline _Bool was_sent(__u32 *seen)
{
    return (*seen)++ < baseline.start;
}

__noinline __u64 key_of_serial(__s32 serial);

struct sent_members {
    struct walk_members members;
    __u64 keyring;
    __u32 seen;
};

/* 1 ends the walk. */
static long send_member(__u32 step, struct sent_members *walk)
{
    const struct key *key = next_member(&walk->members);

    if (!key) return walk->members.done & 1;
    if (was_sent(&walk->seen)) return 0;
    if (leaves_room() && send_as_it_stands((__u64)key, walk->keyring, 1)) return 0;
    walk->seen--;
    baseline.more = 1;
    return 1;
}

__noinline int send_members(__u64 keyring)
{
    struct sent_members walk = {.keyring = keyring, .seen = unknown_zero};

    baseline.found = 1;
    if (!was_sent(&walk.seen) && !send_as_it_stands(keyring, 0, 1)) {
        baseline.more = 1;
        return 0;
    }
    begin_members(&walk.members, keyring);
    bpf_loop(STEPS_MAX, send_member, &walk, 0);
    baseline.sent = walk.seen;
    return 0;
}

struct walk_names {
    __u64 head;
    __u64 next;
    __u64 keyring_type;
    __u64 found;
    __u32 seen;
};

/* One keyring that has a name; 1 ends the walk. */
static long visit_name(__u32 step, struct walk_names *walk)
{
    const struct list_head *link = (const void *)walk->next;
    const struct key *keyring;
    struct list_head *next = 0;

    if (!link || walk->next == walk->head) return 1;
    keyring = (const void *)link - bpf_core_field_offset(struct key, name_link);
    bpf_core_read(&next, sizeof(next), &link->next);
    walk->next = (__u64)next;
    /* Not a keyring: it was freed under us, and so is what it points to. */
    if ((__u64)READ_KEY(keyring, 0, index_key.type) != walk->keyring_type) return 1;

    if (baseline.mode == KS_BASELINE_MEMBERS) {
        if (READ_KEY(keyring, 0, serial) != baseline.serial) return 0;
        walk->found = (__u64)keyring;
        return 1;
    }
    if (was_sent(&walk->seen)) return 0;
    /* Not marked: the names of all keyrings, of which userspace then asks for those that are watched. */
    if (leaves_room() && send_as_it_stands((__u64)keyring, 0, 0)) return 0;
    walk->seen--;
    baseline.more = 1;
    return 1;
}

/*
 * `asked` is the keyring with which the controller made the kernel call this program. One that is
 * neither that nor among the names of this user namespace is found by its number, which can fail
 * where it would not fail again.
 */
static __always_inline void send_baseline(const struct key *asked)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct walk_names walk = {.keyring_type = (__u64)READ_KEY(asked, 0, index_key.type),
                              .found = unknown_zero,
                              .seen = unknown_zero};
    struct user_namespace *space = BPF_CORE_READ(task, cred, user_ns);
    const struct list_head *head =
        (const void *)space + bpf_core_field_offset(struct user_namespace, keyring_name_list);
    struct list_head *next = 0;

    key_that_stays = (__u64)BPF_CORE_READ(space, user_keyring_register);
    baseline.ran = 1;
    baseline.found = 0;
    baseline.more = 0;
    if (baseline.mode == KS_BASELINE_MEMBERS && READ_KEY(asked, 0, serial) == baseline.serial) {
        send_members((__u64)asked);
        return;
    }
    bpf_core_read(&next, sizeof(next), &head->next);
    walk.head = (__u64)head;
    walk.next = (__u64)next;
    bpf_loop(STEPS_MAX, visit_name, &walk, 0);
    if (baseline.mode == KS_BASELINE_NAMED) {
        baseline.sent = walk.seen;
        return;
    }
    if (!walk.found) {
        walk.found = key_of_serial(baseline.serial);
        if ((__u64)READ_KEY((const struct key *)walk.found, 0, index_key.type) != walk.keyring_type)
            return;
    }
    send_members(walk.found);
}

#endif
