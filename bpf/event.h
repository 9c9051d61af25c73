/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The record that the BPF programs put into the ring and the controller reads.
 *
 * A record is a fixed part (struct ks_event) and, straight behind it, three variable fields in
 * this order, without padding or terminators: the key's description, the keyring's name, the
 * payload. Their lengths stand in the fixed part. All integers are in host byte order: writer and
 * reader are always the same machine. A record in the ring may be longer than its content, since
 * space is reserved in size classes; `size` says where the content ends.
 */
#ifndef KEYSCRIBE_EVENT_H
#define KEYSCRIBE_EVENT_H

#ifndef __bpf__
#include <stdint.h>
typedef uint8_t ks_u8;
typedef uint16_t ks_u16;
typedef uint32_t ks_u32;
typedef uint64_t ks_u64;
typedef int32_t ks_s32;
typedef int64_t ks_s64;
#else
typedef unsigned char ks_u8;
typedef unsigned short ks_u16;
typedef unsigned int ks_u32;
typedef unsigned long long ks_u64;
typedef int ks_s32;
typedef long long ks_s64;
#endif

/* Raised with every change of this file; the reader refuses a record of another version. */
#define KS_EVENT_VERSION 1

/* Longest key type name that is kept, terminator included. The longest in Linux 7.x has 17. */
#define KS_TYPE_NAME_SIZE 24
/* TASK_COMM_LEN */
#define KS_COMM_SIZE 16
/* keyctl(2) refuses longer descriptions (KEY_MAX_DESC_SIZE, terminator included). */
#define KS_NAME_MAX 4095
/* key payloads are at most 1 MiB - 1 (security/keys/keyctl.c, add_key). */
#define KS_PAYLOAD_MAX ((1u << 20) - 1)

enum ks_operation {
    KS_OP_CREATE = 0, /* a key was created in a keyring */
    KS_OP_UPDATE = 1, /* a key that stood in a keyring got a new payload */
    KS_OP_COUNT
};

enum ks_event_flag {
    /* The payload's type is not known to be public, and no rule asked for it by type. */
    KS_EVENT_SECRET = 1u << 0,
    /* The rule that decides wants no payload. */
    KS_EVENT_UNASKED = 1u << 1,
    /* The ring had room for the record but not for the payload. */
    KS_EVENT_NO_ROOM = 1u << 2,
    /* The payload could not be read from kernel memory. */
    KS_EVENT_FAULT = 1u << 3,
};

struct ks_event {
    ks_u16 version; /* KS_EVENT_VERSION */
    ks_u8 operation; /* enum ks_operation */
    ks_u8 flags; /* enum ks_event_flag: why payload_copied is 0 although payload_length is not */
    ks_u32 size; /* bytes of this struct and the three fields behind it */
    ks_u64 sequence; /* 1, 2, 3, ...: taken before the reservation, so a lost record is a gap */
    ks_u64 boot_time_ns; /* CLOCK_BOOTTIME */
    ks_u32 generation; /* of the filter that let it pass; 0: no policy was there */

    ks_s32 key_serial;
    ks_s32 keyring_serial;
    ks_u32 key_uid; /* ids are those of the initial user namespace */
    ks_u32 key_gid;
    ks_u32 key_perm; /* key_perm_t of <linux/key.h> */
    ks_s64 key_expiry; /* seconds since 1970; 0 or INT64_MAX: never */

    ks_u32 pid; /* thread group */
    ks_u32 tid;
    ks_u32 uid;
    ks_u32 gid;
    ks_u32 euid;
    ks_u32 egid;
    ks_u32 login_uid; /* 4294967295: none */
    ks_u32 reserved;
    ks_u64 cgroup_id;
    char comm[KS_COMM_SIZE];

    char key_type[KS_TYPE_NAME_SIZE];

    ks_u16 description_length;
    ks_u16 keyring_length;
    ks_u32 payload_length; /* what the kernel was given */
    ks_u32 payload_copied; /* what stands in this record: payload_length, or 0 and a flag */
    ks_u32 reserved2;
};

/*
 * Counters that the programs keep. Operations seen = filtered + sequence numbers given out;
 * records sent = sequence numbers given out - lost.
 */
enum ks_counter {
    KS_COUNT_FILTERED = 0, /* no rule can match: not sent */
    KS_COUNT_LOST = 1, /* the ring had no room, even without the payload */
    KS_COUNT_NO_ROOM = 2, /* sent, but without the payload for want of room */
    KS_COUNTERS
};

#endif
