/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes one record into the ring: the fixed part, then description, keyring's name, payload. */
#ifndef KEYSCRIBE_RECORD_BPF_H
#define KEYSCRIBE_RECORD_BPF_H

#include "filter.bpf.h"

/*
 * Space is reserved in classes of constant size, which every verifier since 5.8 accepts: up to
 * `name` bytes for each of the two names and `payload` bytes for the payload.
 */
struct size_class {
    __u32 name;
    __u32 payload;
};

#define SMALL ((struct size_class){127, 258})
#define MEDIUM ((struct size_class){1023, 2050})
#define LARGE ((struct size_class){KS_NAME_MAX, 32768})
#define WHOLE ((struct size_class){KS_NAME_MAX, KS_PAYLOAD_MAX})

struct change {
    const struct key *keyring;
    const struct key *key;
    const void *payload;
    __u64 payload_length;
    enum ks_operation operation;
};

/* Where the program is preempted between this and the commit, the consumer waits for it. */
static __always_inline void fill_fixed_part(struct ks_event *event, const struct change *change,
                                            const union type_name *type,
                                            const struct verdict *verdict, __u64 number)
{
    struct task_struct *task = bpf_get_current_task_btf();
    const struct cred *cred = task->cred;
    __u64 pid_tgid = bpf_get_current_pid_tgid();

    event->version = KS_EVENT_VERSION;
    event->operation = change->operation;
    event->sequence = number;
    event->boot_time_ns = bpf_ktime_get_boot_ns();
    event->generation = verdict->generation;
    event->key_serial = change->key->serial;
    event->keyring_serial = change->keyring->serial;
    event->key_uid = change->key->uid.val;
    event->key_gid = change->key->gid.val;
    event->key_perm = change->key->perm;
    event->key_expiry = change->key->expiry;
    event->pid = pid_tgid >> 32;
    event->tid = (__u32)pid_tgid;
    event->uid = cred->uid.val;
    event->gid = cred->gid.val;
    event->euid = cred->euid.val;
    event->egid = cred->egid.val;
    event->login_uid = bpf_core_field_exists(task->loginuid) ? task->loginuid.val : (__u32)-1;
    event->reserved = 0;
    event->cgroup_id = bpf_get_current_cgroup_id();
    bpf_get_current_comm(event->comm, sizeof(event->comm));
    __builtin_memcpy(event->key_type, type->name, sizeof(event->key_type));
    event->payload_length = change->payload_length;
    event->reserved2 = 0;
}

/* Returns the bytes copied: `length`, or 0 where it does not fit or cannot be read. */
static __always_inline __u32 copy_field(void *to, const void *from, __u32 length, __u32 limit)
{
    /* Or the compiler drops the check, knowing it done before, where the verifier does not. */
    barrier_var(length);
    if (length > limit) return 0;
    return bpf_probe_read_kernel(to, length, from) ? 0 : length;
}

/* False where the ring has no room. */
static __always_inline _Bool send_in_class(const struct change *change, const union type_name *type,
                                           const struct verdict *verdict, __u64 number,
                                           __u8 flags, __u32 copy_length,
                                           const struct size_class class)
{
    struct ks_event *event;
    __u8 *field;
    __u32 description, keyring, payload;

    event = bpf_ringbuf_reserve(&ring, sizeof(*event) + 2 * class.name + class.payload, 0);
    if (!event) return 0;
    fill_fixed_part(event, change, type, verdict, number);

    field = (__u8 *)(event + 1);
    description = copy_field(field, change->key->index_key.description,
                             change->key->index_key.desc_len, class.name);
    field += description;
    keyring = copy_field(field, change->keyring->index_key.description,
                         change->keyring->index_key.desc_len, class.name);
    field += keyring;
    payload = copy_field(field, change->payload, copy_length, class.payload);
    if (payload != copy_length) flags |= KS_EVENT_FAULT;

    event->flags = flags;
    event->description_length = description;
    event->keyring_length = keyring;
    event->payload_copied = payload;
    event->size = sizeof(*event) + description + keyring + payload;
    bpf_ringbuf_submit(event, 0);
    return 1;
}

static __always_inline _Bool fits(const struct change *change, __u32 copy_length,
                                  const struct size_class class)
{
    return copy_length <= class.payload && change->key->index_key.desc_len <= class.name &&
           change->keyring->index_key.desc_len <= class.name;
}

static __always_inline _Bool send_record(const struct change *change, const union type_name *type,
                                         const struct verdict *verdict, __u64 number, __u8 flags,
                                         __u32 copy_length)
{
    if (fits(change, copy_length, SMALL))
        return send_in_class(change, type, verdict, number, flags, copy_length, SMALL);
    if (fits(change, copy_length, MEDIUM))
        return send_in_class(change, type, verdict, number, flags, copy_length, MEDIUM);
    if (fits(change, copy_length, LARGE))
        return send_in_class(change, type, verdict, number, flags, copy_length, LARGE);
    return send_in_class(change, type, verdict, number, flags, copy_length, WHOLE);
}

/* The one thing that every program does. */
static __always_inline void record(const struct change *change)
{
    union type_name type;
    struct verdict verdict = judge(change->keyring, change->key, change->operation, &type);
    __u64 number;
    __u8 flags = 0;

    if (!verdict.wanted) {
        count(KS_COUNT_FILTERED);
        return;
    }
    if (change->payload_length) {
        if (!(verdict.wanted & WANT_PAYLOAD)) flags = KS_EVENT_UNASKED;
        else if (is_asymmetric(&type) && is_private_key(change->key)) flags = KS_EVENT_SECRET;
        else if (!(verdict.wanted & WANT_SECRET) && !is_public_type(&type)) flags = KS_EVENT_SECRET;
    }

    number = __sync_fetch_and_add(&sequence, 1) + 1;
    if (send_record(change, &type, &verdict, number, flags,
                    flags ? 0 : change->payload_length))
        return;
    if (!flags && change->payload_length &&
        send_record(change, &type, &verdict, number, KS_EVENT_NO_ROOM, 0)) {
        count(KS_COUNT_NO_ROOM);
        return;
    }
    count(KS_COUNT_LOST);
}

#endif
