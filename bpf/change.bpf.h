/* SPDX-License-Identifier: GPL-2.0-only */
/* An operation as the programs hand it on, and how they read of its keys. */
#ifndef KEYSCRIBE_CHANGE_BPF_H
#define KEYSCRIBE_CHANGE_BPF_H

#include "cast.bpf.h"
#include "kernel_types.h"
#include "maps.bpf.h"

/*
 * An operation as a program hands it on. Members that are constants in a program are so after
 * inlining, and what they switch off is not there.
 */
struct change {
    const struct key *key;
    const struct key *keyring; /* NULL: the operation is one on the key itself */
    const struct key *from; /* of a move */
    const void *payload;
    __u64 payload_length;
    const struct ks_actor *actor; /* NULL: the controller itself, of no interest */
    const char *restrict_type, *restriction;
    __s64 argument;
    enum ks_operation operation;
    /* A pointer whose type the verifier knows is followed directly, others with a helper's call. */
    _Bool key_trusted, keyring_trusted;
    /* The program's context, and which argument each pointer is, for ADDRESS_OF; or 0. */
    void *ctx;
    __u32 key_argument, keyring_argument, from_argument;
    __u32 payload_argument; /* its length is the argument behind it */
};

#define READ_KEY(pointer, trusted, field)                                     \
    ({                                                                        \
        /* Outside of bpf_core_read, which relocates every member it sees. */ \
        const struct key *key_ = (pointer);                                   \
        typeof(((struct key *)0)->field) value_ = 0;                          \
        if (trusted) value_ = key_->field;                                    \
        else bpf_core_read(&value_, sizeof(value_), &key_->field);            \
        value_;                                                               \
    })
#define OF_KEY(change, field) READ_KEY((change)->key, (change)->key_trusted, field)
#define OF_KEYRING(change, field) READ_KEY((change)->keyring, (change)->keyring_trusted, field)

static __always_inline __u64 argument(void *ctx, __u32 number)
{
    __u64 value = 0;

    bpf_get_func_arg(ctx, number, &value);
    return value;
}

/*
 * Newer verifiers (7.3 does, 6.12 does not) take a string's address for a pointer, which a global
 * function may not be given as a number. Negated it is a number to all of them.
 */
static __always_inline __u64 as_number(const void *pointer)
{
    __u64 number = (__u64)pointer;

    asm volatile("%0 = -%0" : "+r"(number));
    return -number;
}

/* The pointer as a number, for functions that take nothing else. */
#define ADDRESS_OF(change, pointer)                                  \
    ((change)->ctx && (change)->pointer##_argument                   \
         ? argument((change)->ctx, (change)->pointer##_argument - 1) \
         : as_number((change)->pointer))
#define ARGUMENT(number) ((number) + 1)

#endif
