/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The members of kernel structures that the programs read, relocated at load time to wherever the
 * running kernel has them (CO-RE). Sources: <linux/key.h>, <linux/key-type.h>, <linux/cred.h>,
 * <linux/sched.h>, <crypto/public_key.h>, <keys/asymmetric-subtype.h>.
 */
#ifndef KEYSCRIBE_KERNEL_TYPES_H
#define KEYSCRIBE_KERNEL_TYPES_H

#include <linux/bpf.h>

#define KERNEL_TYPE __attribute__((preserve_access_index))

typedef struct {
    __u32 val;
} kuid_t;

typedef struct {
    __u32 val;
} kgid_t;

struct key_type {
    const char *name;
} KERNEL_TYPE;

struct keyring_index_key {
    union {
        struct {
            __u16 desc_len;
            char desc[6];
        };
        unsigned long x; /* desc_len and the first bytes of the description in one word */
    };
    struct key_type *type;
    const char *description;
} KERNEL_TYPE;

union key_payload {
    void *data[4]; /* of an asymmetric key: indexed by enum asymmetric_payload_bits */
} KERNEL_TYPE;

struct key {
    __s32 serial;
    __s64 expiry;
    kuid_t uid;
    kgid_t gid;
    __u32 perm;
    struct keyring_index_key index_key;
    union key_payload payload;
} KERNEL_TYPE;

struct public_key {
    _Bool key_is_private;
} KERNEL_TYPE;

struct cred {
    kuid_t uid;
    kgid_t gid;
    kuid_t euid;
    kgid_t egid;
} KERNEL_TYPE;

struct task_struct {
    const struct cred *cred;
    kuid_t loginuid;
} KERNEL_TYPE;

#endif
