/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes one record into the ring: the fixed part, then description, keyring's name, what belongs
 * to the operation, payload.
 */
#ifndef KEYSCRIBE_RECORD_BPF_H
#define KEYSCRIBE_RECORD_BPF_H

#include "actor.bpf.h"
#include "canary.bpf.h"
#include "filter.bpf.h"

/* What stands in the place of the payload. */
enum content {
    NO_PAYLOAD,
    PAYLOAD,
    PUBLIC_KEY, /* struct ks_public_key */
};

/*
 * Space is reserved in classes of constant size, which every verifier since 5.8 accepts: up to
 * `name` bytes for each of description and keyring's name, `extra` and `payload` bytes.
 */
struct size_class {
    __u32 name;
    __u32 extra;
    __u32 payload;
};

#define PUBLIC_KEY_SIZE (sizeof(struct ks_public_key) + KS_PUBLIC_KEY_MAX)

/* Without a branch: each would double what the verifier has to walk. */
static __always_inline __u32 key_state(const struct change *change)
{
    /* KEY_FLAG_DEAD 0, KEY_FLAG_REVOKED 1, KEY_FLAG_INVALIDATED 5 of <linux/key.h> */
    __u64 flags = OF_KEY(change, flags);
    __u64 state = (__u16)OF_KEY(change, state); /* KEY_IS_UNINSTANTIATED 0; an error: negative */
    __u64 uninstantiated = state - 1;

    barrier_var(uninstantiated); /* or the compiler makes a comparison of it */
    return (flags & (KS_KEY_DEAD | KS_KEY_REVOKED)) | (flags >> 3 & KS_KEY_INVALIDATED) |
           (state >> 12 & KS_KEY_NEGATIVE) | (uninstantiated >> 59 & KS_KEY_UNINSTANTIATED);
}

static __always_inline void fill_fixed_part(struct ks_event *event, const struct change *change,
                                            const union type_name *type,
                                            const struct verdict *verdict, __u64 number)
{
    event->version = KS_EVENT_VERSION;
    event->operation = change->operation;
    event->sequence = number;
    event->boot_time_ns = bpf_ktime_get_boot_ns();
    event->generation = verdict->generation;
    event->key_serial = OF_KEY(change, serial);
    event->keyring_serial = change->keyring ? OF_KEYRING(change, serial) : 0;
    event->from_serial = change->from ? READ_KEY(change->from, change->keyring_trusted, serial) : 0;
    event->key_uid = OF_KEY(change, uid.val);
    event->key_gid = OF_KEY(change, gid.val);
    event->key_perm = OF_KEY(change, perm);
    event->key_state = key_state(change);
    event->keyring_uid = change->keyring ? OF_KEYRING(change, uid.val) : (__u32)-1;
    event->from_uid =
        change->from ? READ_KEY(change->from, change->keyring_trusted, uid.val) : (__u32)-1;
    event->key_expiry = OF_KEY(change, expiry);
    event->argument = change->argument;
    __builtin_memcpy(event->key_type, type->name, sizeof(event->key_type));
    event->head_size = sizeof(*event);
    if (change->actor) event->actor = *change->actor;
    else __builtin_memset(&event->actor, 0, sizeof(event->actor));
}

/* Returns the bytes copied: `length`, or 0 where it does not fit or cannot be read. */
static __always_inline __u32 copy_field(void *to, const void *from, __u32 length, __u32 limit)
{
    /* Or the compiler drops the check, knowing it done before, where the verifier does not. */
    barrier_var(length);
    if (length > limit) return 0;
    return bpf_probe_read_kernel(to, length, from) ? 0 : length;
}

#define SHORT_NAME 32

/* What copy_short_names() writes to. */
struct short_names {
    char bytes[2 * SHORT_NAME];
};

/*
 * For 1 to SHORT_NAME bytes; `text` as in second_word(). What else stands in the last word is not
 * the name's, and may be what was freed there.
 */
static __always_inline void copy_short_name(char *to, const __u64 *text, __u32 length)
{
#pragma unroll
    for (__u32 i = 0; i < SHORT_NAME / 8; i++, to += 8, length -= 8) {
        if (length <= 8) {
            *(__u64 *)to = text[i] & ~0ull >> (64 - 8 * length);
            return;
        }
        *(__u64 *)to = text[i];
    }
}

/* One behind the other; false: nothing was done. A global function: see README.md. */
__noinline _Bool copy_short_names(struct short_names *to, __u64 first, __u32 first_length,
                                  __u64 second, __u32 second_length)
{
    /* Older kernels never call it, but their verifiers look at it. */
    if (!to || !CAN_CAST || ((first | second) & 7)) return 0;
    if (first_length > SHORT_NAME || second_length > SHORT_NAME) return 0;
    if (first_length) copy_short_name(to->bytes, WORDS(first), first_length);
    if (second_length) copy_short_name(to->bytes + first_length, WORDS(second), second_length);
    return 1;
}

/*
 * Both names of the change; false: it takes copy_field(). Lengths of its own, so that a verifier
 * that never comes here has those of copy_field() alone to follow.
 */
static __always_inline _Bool copy_if_short(void *to, const struct change *change,
                                           __u32 *description, __u32 *keyring)
{
    __u32 first, second = 0;
    __u64 second_name = 0;

    if (!CAN_CAST) return 0;
    first = OF_KEY(change, index_key.desc_len);
    if (change->keyring) {
        second = OF_KEYRING(change, index_key.desc_len);
        second_name = as_number(OF_KEYRING(change, index_key.description));
    }
    if (first > SHORT_NAME || second > SHORT_NAME) return 0;
    if (!copy_short_names(to, as_number(OF_KEY(change, index_key.description)), first, second_name,
                          second))
        return 0;
    *description = first;
    *keyring = second;
    return 1;
}

#define RESTRICT_TYPE_SIZE 32 /* keyctl_restrict_keyring() takes no longer type */
#define RESTRICTION_SIZE 512

/* "type:restriction", "type", or nothing. */
static __always_inline __u32 copy_restriction(char *to, const struct change *change)
{
    long length, more;

    if (!change->restrict_type) return 0;
    length = bpf_probe_read_kernel_str(to, RESTRICT_TYPE_SIZE, change->restrict_type);
    if (length <= 1 || length > RESTRICT_TYPE_SIZE) return 0;
    if (!change->restriction) return length - 1;
    to[length - 1] = ':';
    more = bpf_probe_read_kernel_str(to + length, RESTRICTION_SIZE, change->restriction);
    if (more < 1 || more > RESTRICTION_SIZE) return length;
    return length + more - 1;
}

static __always_inline __u32 copy_public_key(struct ks_public_key *to, const struct change *change)
{
    const struct public_key *crypto = OF_KEY(change, payload.data[0]);
    const struct asymmetric_key_ids *ids = OF_KEY(change, payload.data[2]);
    const char *algorithm = 0;
    const void *bytes = 0;
    __u32 length = 0;

    bpf_core_read(&algorithm, sizeof(algorithm), &crypto->pkey_algo);
    if (bpf_probe_read_kernel_str(to->algorithm, sizeof(to->algorithm), algorithm) < 0)
        to->algorithm[0] = 0;
#pragma unroll
    for (__u32 i = 0; i < KS_KEY_IDS; i++) {
        const struct asymmetric_key_id *id = 0;
        __u16 id_length = 0;

        bpf_core_read(&id, sizeof(id), &ids->id[i]);
        if (id) bpf_core_read(&id_length, sizeof(id_length), &id->len);
        to->id_length[i] = copy_field(
            to->id[i], (const char *)id + bpf_core_field_offset(struct asymmetric_key_id, data),
            id_length, sizeof(to->id[i]));
    }
    bpf_core_read(&bytes, sizeof(bytes), &crypto->key);
    bpf_core_read(&length, sizeof(length), &crypto->keylen);
    length = copy_field(to + 1, bytes, length, KS_PUBLIC_KEY_MAX);
    to->key_length = length;
    return sizeof(*to) + length;
}

/* False where the ring has no room. */
static __always_inline _Bool send_in_class(const struct change *change, const union type_name *type,
                                           const struct verdict *verdict, __u64 number, __u8 flags,
                                           enum content content, const struct size_class class)
{
    struct ks_event *event;
    __u8 *field;
    __u32 description, keyring = 0, extra = 0, payload = 0;
    __u32 payload_length = change->payload_length;

    event = bpf_ringbuf_reserve(&ring,
                                sizeof(*event) + 2 * class.name + class.extra + class.payload, 0);
    if (!event) return 0;
    fill_fixed_part(event, change, type, verdict, number);

    field = (__u8 *)(event + 1);
    if (!copy_if_short(field, change, &description, &keyring)) {
        description = copy_field(field, OF_KEY(change, index_key.description),
                                 OF_KEY(change, index_key.desc_len), class.name);
        if (change->keyring)
            keyring = copy_field(field + description, OF_KEYRING(change, index_key.description),
                                 OF_KEYRING(change, index_key.desc_len), class.name);
    }
    field += description;
    field += keyring;
    if (change->operation == KS_OP_RESTRICT) extra = copy_restriction((char *)field, change);
    else if (change->from)
        extra = copy_field(
            field, READ_KEY(change->from, change->keyring_trusted, index_key.description),
            READ_KEY(change->from, change->keyring_trusted, index_key.desc_len), class.extra);
    field += extra;
    if (content == PAYLOAD) {
        payload = copy_field(field, change->payload, payload_length, class.payload);
        if (payload != payload_length) flags |= KS_EVENT_FAULT;
    } else if (content == PUBLIC_KEY) {
        payload_length = payload = copy_public_key((struct ks_public_key *)field, change);
        flags |= KS_EVENT_PUBLIC_KEY;
    }

    event->flags = flags;
    event->description_length = description;
    event->keyring_length = keyring;
    event->extra_length = extra;
    event->payload_length = payload_length;
    event->payload_copied = payload;
    event->size = sizeof(*event) + description + keyring + extra + payload;
    bpf_ringbuf_submit(event, 0);
    return 1;
}

/* Whether the names and `length` bytes of payload find room in the class. */
static __always_inline _Bool fits(const struct change *change, __u32 length,
                                  const struct size_class class)
{
    if (length > class.payload || OF_KEY(change, index_key.desc_len) > class.name) return 0;
    if (change->keyring && OF_KEYRING(change, index_key.desc_len) > class.name) return 0;
    return !change->from ||
           READ_KEY(change->from, change->keyring_trusted, index_key.desc_len) <= class.extra;
}

/* clang-format off */
#define TRY(content, length, ...)                                                           \
    if (fits(change, length, (struct size_class){__VA_ARGS__}))                             \
        return send_in_class(change, type, verdict, number, flags, content,                 \
                             (struct size_class){__VA_ARGS__})
/* clang-format on */

static __always_inline _Bool send_payload(const struct change *change, const union type_name *type,
                                          const struct verdict *verdict, __u64 number, __u8 flags)
{
    TRY(PAYLOAD, change->payload_length, 127, 0, 258);
    TRY(PAYLOAD, change->payload_length, 1023, 0, 2050);
    TRY(PAYLOAD, change->payload_length, KS_NAME_MAX, 0, 32768);
    return send_in_class(change, type, verdict, number, flags, PAYLOAD,
                         (struct size_class){KS_NAME_MAX, 0, KS_PAYLOAD_MAX});
}

static __always_inline _Bool send_public_key(const struct change *change,
                                             const union type_name *type,
                                             const struct verdict *verdict, __u64 number,
                                             __u8 flags)
{
    TRY(PUBLIC_KEY, PUBLIC_KEY_SIZE, 127, 127, PUBLIC_KEY_SIZE);
    return send_in_class(change, type, verdict, number, flags, PUBLIC_KEY,
                         (struct size_class){KS_NAME_MAX, KS_NAME_MAX, PUBLIC_KEY_SIZE});
}

static __always_inline _Bool send_without(const struct change *change, const union type_name *type,
                                          const struct verdict *verdict, __u64 number, __u8 flags)
{
    if (change->operation == KS_OP_RESTRICT)
        return send_in_class(
            change, type, verdict, number, flags, NO_PAYLOAD,
            (struct size_class){KS_NAME_MAX, RESTRICT_TYPE_SIZE + RESTRICTION_SIZE, 0});
    TRY(NO_PAYLOAD, 0, 127, 127, 0);
    return send_in_class(change, type, verdict, number, flags, NO_PAYLOAD,
                         (struct size_class){KS_NAME_MAX, KS_NAME_MAX, 0});
}

/* What all programs that carry a payload share; `flags` say why it is not copied. */
static __always_inline void send_with_payload(const struct change *change,
                                              const union type_name *type,
                                              const struct verdict *verdict, __u8 flags)
{
    const __u8 withheld = KS_EVENT_UNASKED | KS_EVENT_SECRET;
    const _Bool copy = change->payload_length && !(flags & withheld);
    __u64 number = __sync_fetch_and_add(&sequence, 1) + 1;

    if (copy ? send_payload(change, type, verdict, number, flags)
             : send_without(change, type, verdict, number, flags))
        return;
    if (copy && send_without(change, type, verdict, number, flags | KS_EVENT_NO_ROOM)) {
        count(KS_COUNT_NO_ROOM);
        return;
    }
    count(KS_COUNT_LOST);
}

static __always_inline __u8 payload_flags(const struct change *change, const union type_name *type,
                                          const struct verdict *verdict)
{
    __u8 flags = verdict->wanted & WANT_REMEMBER ? KS_EVENT_REMEMBER : 0;

    if (!change->payload_length) return flags;
    if (!(verdict->wanted & WANT_PAYLOAD)) return flags | KS_EVENT_UNASKED;
    if (is_asymmetric(type))
        return is_private_key(ADDRESS_OF(change, key)) ? flags | KS_EVENT_SECRET : flags;
    if (!(verdict->wanted & WANT_SECRET) && !is_public_type(type)) return flags | KS_EVENT_SECRET;
    return flags;
}

/* What every record begins with; false: no rule can match, or it was a canary, and there is none. */
static __always_inline _Bool begin_record(struct change *change, union type_name *type,
                                          struct verdict *verdict, struct ks_actor *actor)
{
    if (is_canary(change->operation)) return 0;
    *verdict = judge(change, type);
    if (!verdict->wanted) {
        count(KS_COUNT_FILTERED);
        return 0;
    }
    __builtin_memset(actor, 0, sizeof(*actor)); /* not before: it costs */
    find_actor(actor);
    change->actor = actor;
    if (brings_key(change->operation) && !(verdict->wanted & WANT_REMEMBER))
        watch(OF_KEY(change, serial));
    return 1;
}

/* Of an operation that has a payload. */
static __always_inline void record_with_payload(struct change *change)
{
    union type_name type;
    struct verdict verdict;
    struct ks_actor actor;

    if (!begin_record(change, &type, &verdict, &actor)) return;
    change->payload = (const void *)argument(change->ctx, change->payload_argument - 1);
    if (change->payload)
        change->payload_length = ((const __u64 *)change->ctx)[change->payload_argument];
    send_with_payload(change, &type, &verdict, payload_flags(change, &type, &verdict));
}

/* Of one that puts a key that is there into a keyring: with what is left of what it was made from. */
static __always_inline void record_with_public_key(struct change *change)
{
    union type_name type;
    struct verdict verdict;
    struct ks_actor actor;
    __u64 number;

    if (!begin_record(change, &type, &verdict, &actor)) return;
    __u8 flags = 0;

    number = __sync_fetch_and_add(&sequence, 1) + 1;
    if ((verdict.wanted & WANT_PAYLOAD) && is_asymmetric(&type) &&
        !is_private_key(ADDRESS_OF(change, key))) {
        if (send_public_key(change, &type, &verdict, number, 0)) return;
        flags = KS_EVENT_NO_ROOM;
    }
    if (!send_without(change, &type, &verdict, number, flags)) count(KS_COUNT_LOST);
}

/* Of any other. */
static __always_inline void record(struct change *change)
{
    union type_name type;
    struct verdict verdict;
    struct ks_actor actor;

    if (!begin_record(change, &type, &verdict, &actor)) return;
    if (!send_without(change, &type, &verdict, __sync_fetch_and_add(&sequence, 1) + 1, 0))
        count(KS_COUNT_LOST);
}

#endif
