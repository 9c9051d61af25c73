/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The record that the BPF programs put into the ring and the controller reads.
 *
 * A record is a fixed part (struct ks_event) and, straight behind it, four variable fields in
 * this order, without padding or terminators: the key's description, the keyring's name, what
 * belongs to the operation (`extra`), the payload. Their lengths stand in the fixed part. All integers are in host byte order: writer and
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

/*
 * Of struct ks_event. A member that is appended to it leaves this as it is: another build passes over what it does
 * not know, and takes what is missing for 0. It is raised where the meaning of a member, or of what stands behind
 * the struct, changes; a record of another version counts as lost. What never changes: version, size, sequence.
 */
#ifndef KS_EVENT_VERSION /* tests/CMakeLists.txt has a build of another one */
#define KS_EVENT_VERSION 5
#endif

/* Longest key type name that is kept, terminator included. The longest in Linux 7.x has 17. */
#define KS_TYPE_NAME_SIZE 24
/* TASK_COMM_LEN */
#define KS_COMM_SIZE 16
/* keyctl(2) refuses longer descriptions (KEY_MAX_DESC_SIZE, terminator included). */
#define KS_NAME_MAX 4095
/* key payloads are at most 1 MiB - 1 (security/keys/keyctl.c, add_key). */
#define KS_PAYLOAD_MAX ((1u << 20) - 1)

/* What is to be known of an operation, as bits. */
enum ks_property {
    KS_RENEWS = 1u << 0, /* the key gets a payload: what was known of the former one is over */
    KS_MATERIAL = 1u << 1, /* key material comes into the keyring, or changes in it */
    KS_PUTS = 1u << 2, /* afterwards the key stands in its keyring */
    KS_TAKES = 1u << 3, /* afterwards it no longer stands: in its keyring; of a move: in `from` */
    KS_EMPTIES = 1u << 4, /* afterwards the key, where it is a keyring, holds nothing */
    KS_ABOUT_KEYRING = 1u << 5, /* what the keyring holds is meant: key_type= has no say */
    /* Which keyrings hold a key changes with it: the programs report it of every keyring that a
     * rule names, whatever op= says, so that it is known whom an operation on the key itself
     * concerns. */
    KS_HOLDERS = 1u << 6,
};

/*
 * Operations that succeeded: X(enumerator, the same in camel case, name, properties). "Its keyring"
 * is the one in `keyring`; where an operation is one on the key itself, the record has none
 * (serial 0), and the controller knows who holds the key.
 *
 * create: a key was created in its keyring; or a keyring was, in one or in none
 * update: a key got a new payload; by add_key(2) with its keyring, by keyctl(2) without
 * instantiate: a key under construction got its payload; its keyring: see ks_event
 * reject: a key under construction became a negative one; argument: the error
 * link: a key was linked into its keyring
 * unlink: a key was unlinked from its keyring
 * move: a key came into its keyring; extra and from_serial: the keyring that it left
 * clear: key and its keyring are the same: the keyring was emptied
 * restrict: key and its keyring are the same; extra: type, or type:restriction, or ""
 * timeout: key_expiry is the new one
 * setperm: key_perm is the new one
 * chown: key_uid and key_gid are the new ones
 * destroy: the last reference is gone
 */
#define KS_OPERATIONS(X)                                                                       \
    X(CREATE, Create, "create", KS_RENEWS | KS_MATERIAL | KS_PUTS | KS_HOLDERS)                \
    X(UPDATE, Update, "update", KS_RENEWS | KS_MATERIAL | KS_PUTS)                             \
    X(INSTANTIATE, Instantiate, "instantiate", KS_RENEWS | KS_MATERIAL | KS_PUTS | KS_HOLDERS) \
    X(REJECT, Reject, "reject", KS_PUTS)                                                       \
    X(LINK, Link, "link", KS_MATERIAL | KS_PUTS | KS_HOLDERS)                                  \
    X(UNLINK, Unlink, "unlink", KS_TAKES | KS_HOLDERS)                                         \
    X(MOVE, Move, "move", KS_MATERIAL | KS_PUTS | KS_TAKES | KS_HOLDERS)                       \
    X(CLEAR, Clear, "clear", KS_EMPTIES | KS_ABOUT_KEYRING | KS_HOLDERS)                       \
    X(REVOKE, Revoke, "revoke", KS_EMPTIES | KS_HOLDERS)                                       \
    X(INVALIDATE, Invalidate, "invalidate", KS_EMPTIES)                                        \
    X(RESTRICT, Restrict, "restrict", KS_ABOUT_KEYRING)                                        \
    X(TIMEOUT, Timeout, "timeout", 0)                                                          \
    X(SETPERM, Setperm, "setperm", 0)                                                          \
    X(CHOWN, Chown, "chown", 0)                                                                \
    X(DESTROY, Destroy, "destroy", KS_EMPTIES | KS_HOLDERS)

enum ks_operation {
#define KS_OPERATION_ENUMERATOR(upper, camel, name, properties) KS_OP_##upper,
    KS_OPERATIONS(KS_OPERATION_ENUMERATOR)
#undef KS_OPERATION_ENUMERATOR
    KS_OP_COUNT, /* those above are what a policy can ask for */

    /* Asked for by the controller: a key as it stands. keyring: the one that was
     * asked about; for that keyring itself there is none. */
    KS_OP_BASELINE = KS_OP_COUNT,
    /* Not operations, sequence is 0: extra is a struct ks_announcement. Of the process image that
     * actor.pid, start_time and exec_id name: its executable. */
    KS_OP_EXECUTABLE,
    /* Of the cgroup that actor.cgroup_id names: its path below the root of its hierarchy. */
    KS_OP_CGROUP,
    KS_OP_END
};

/* The operations that have the property, a bit for each. */
#ifdef __cplusplus
#define KS_CONSTEXPR constexpr
#else
#define KS_CONSTEXPR static inline
#endif
KS_CONSTEXPR ks_u32 ks_operations_with(enum ks_property property)
{
#define KS_OPERATION_BIT(upper, camel, name, properties) \
    | (((properties) & (unsigned int)property) ? 1u << KS_OP_##upper : 0u)
    return 0u KS_OPERATIONS(KS_OPERATION_BIT);
#undef KS_OPERATION_BIT
}

static inline int ks_changes_holders(int operation)
{
    return (ks_operations_with(KS_HOLDERS) >> operation) & 1;
}

enum ks_event_flag {
    /* The payload's type is not known to be public, and no rule asked for it by type. */
    KS_EVENT_SECRET = 1u << 0,
    /* The rule that decides wants no payload. */
    KS_EVENT_UNASKED = 1u << 1,
    /* The ring had room for the record but not for the payload. */
    KS_EVENT_NO_ROOM = 1u << 2,
    /* The payload could not be read from kernel memory. */
    KS_EVENT_FAULT = 1u << 3,
    /* No rule can match; it is sent for its payload, which a later link may put where one can. */
    KS_EVENT_REMEMBER = 1u << 4,
    /* The payload is a struct ks_public_key: the key is linked, moved or old, and what it was made
     * from is no longer in the kernel. */
    KS_EVENT_PUBLIC_KEY = 1u << 5,
    /* The key was not found: it is known by what KEYCTL_SETPERM or KEYCTL_CHOWN were given alone. */
    KS_EVENT_SERIAL_ONLY = 1u << 6,
};

#define KS_PATH_DEPTH 16
#define KS_PATH_NAME 256 /* NAME_MAX and a NUL */

/* What a program says once of a process image, or of a cgroup. */
struct ks_announcement {
    ks_u64 exe_ino; /* of the file that was executed; 0: not known, see `replaced` */
    ks_u32 exe_dev; /* major << 20 | minor, as the kernel keeps it */
    ks_u32 exe_generation; /* of the inode: numbers are given again, with another generation */
    ks_u32 mnt_ns; /* in which the path is meant; 0: its mount stands in none */
    ks_u8 whole; /* the walk reached the root; else the path has lost its head */
    ks_u8 replaced; /* by prctl(PR_SET_MM): the path is that of another file than was executed */
    ks_u16 reserved;
    char executed[KS_PATH_NAME]; /* `replaced`: the name of the file that was executed */
    /* From the last component to the first, each with a NUL behind it; empty: there are no more. */
    char path[KS_PATH_DEPTH][KS_PATH_NAME];
};

/* What an asymmetric key still has of what it was made from: <crypto/public_key.h>,
 * <keys/asymmetric-type.h>. The bytes of the key follow: those of the certificate's
 * subjectPublicKey BIT STRING. */
#define KS_ALGORITHM_SIZE 24
#define KS_KEY_IDS 3
#define KS_KEY_ID_SIZE 256
#define KS_PUBLIC_KEY_MAX 2112 /* RSA of 16384 bits */
struct ks_public_key {
    char algorithm[KS_ALGORITHM_SIZE]; /* as the kernel names it: "rsa", "ecdsa-nist-p256" */
    ks_u16 id_length[KS_KEY_IDS]; /* 0: there is none, or it is longer than its place */
    ks_u16 key_length;
    ks_u8 id[KS_KEY_IDS][KS_KEY_ID_SIZE];
};

/* Of KEY_FLAG_* in <linux/key.h>, as ks_event.key_state has them. */
enum ks_key_state {
    KS_KEY_DEAD = 1u << 0,
    KS_KEY_REVOKED = 1u << 1,
    KS_KEY_INVALIDATED = 1u << 2,
    KS_KEY_NEGATIVE = 1u << 3,
    KS_KEY_UNINSTANTIATED = 1u << 4,
};

/* Who asked for an operation. */
struct ks_actor {
    ks_u32 pid; /* thread group */
    ks_u32 tid;
    ks_u32 ppid;
    ks_u32 uid;
    ks_u32 gid;
    ks_u32 euid;
    ks_u32 egid;
    ks_u32 login_uid; /* 4294967295: none */
    ks_u32 session; /* of the login (audit); 4294967295: none */
    ks_s32 syscall; /* number of the system call that the task is in; -1: a kernel thread */
    ks_u64 cgroup_id;
    ks_u64 start_time; /* of the process, CLOCK_BOOTTIME in ns; 0: it has no executable */
    ks_u32 exec_id; /* how many programs it and its forebears executed: with pid and start_time, */
    /* one process image */
    ks_u32 mnt_ns; /* inode numbers of namespaces */
    ks_u32 pid_ns;
    ks_u32 net_ns;
    ks_u32 user_ns;
    ks_u32 reserved;
    char comm[KS_COMM_SIZE];
};

struct ks_event {
    ks_u16 version; /* KS_EVENT_VERSION */
    ks_u8 operation; /* enum ks_operation */
    ks_u8 flags; /* enum ks_event_flag */
    ks_u32 size; /* bytes of this struct and the four fields behind it */
    ks_u64 sequence; /* 1, 2, 3, ...: taken before the reservation, so a lost record is a gap */
    ks_u64 boot_time_ns; /* CLOCK_BOOTTIME */
    ks_u32 generation; /* of the filter that let it pass; 0: no policy was there */

    ks_s32 key_serial;
    /* Of an instantiated or rejected key: the keyring that the requester wanted it in. */
    ks_s32 keyring_serial;
    ks_s32 from_serial; /* KS_OP_MOVE */
    ks_u32 key_uid; /* ids are those of the initial user namespace */
    ks_u32 key_gid;
    ks_u32 key_perm; /* key_perm_t of <linux/key.h> */
    ks_u32 key_state; /* enum ks_key_state */
    ks_u32 keyring_uid; /* who owns its keyring; 4294967295: there is none */
    ks_u32 from_uid; /* who owns the keyring that it left; 4294967295: there is none */
    ks_s64 key_expiry; /* seconds since 1970; 0 or INT64_MAX: never */
    ks_s64 argument; /* see enum ks_operation */

    struct ks_actor actor;

    char key_type[KS_TYPE_NAME_SIZE];

    ks_u16 description_length;
    ks_u16 keyring_length;
    ks_u16 extra_length;
    ks_u16 head_size; /* of this struct, where the record was written; 0: version 4 */
    ks_u32 payload_length; /* what the kernel was given */
    ks_u32 payload_copied; /* what stands in this record: payload_length, or 0 and a flag */
#ifdef KS_EVENT_APPENDED /* tests/CMakeLists.txt: what a later build may have here */
    ks_u64 appended[3];
#endif
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
