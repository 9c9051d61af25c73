/* SPDX-License-Identifier: GPL-2.0-only */
/* What the programs share with the controller: the ring, the filter, the counters. */
#ifndef KEYSCRIBE_MAPS_BPF_H
#define KEYSCRIBE_MAPS_BPF_H

#include "filter.h"

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 8 << 20); /* the controller sets it before loading */
} ring SEC(".maps");

/* The filter in use is filters[active_generation % 2]; generation 0 stands for "no policy yet". */
__u32 active_generation;
struct ks_filter filters[2];

/*
 * One counter for all CPUs: key operations are rare enough for a shared cache line, and a total
 * that is exact at every moment is worth more here than a per-CPU one.
 */
__u64 sequence;
__u64 counters[KS_COUNTERS];

__u64 watched[KS_WATCHED_WORDS];
struct ks_baseline baseline;
struct ks_canary canary;

/*
 * Process images and cgroups of which userspace knows the path: a record for a short-lived process
 * must not depend on its still being there when the record is read. Neither is known by a number
 * that a user can have given again, as an inode's.
 */
struct ks_image images[KS_PLACES];
__u64 cgroups[KS_PLACES];

/* What was executed, of a process that has another file in mm->exe_file by now; by the mm's address. */
struct executed {
    __u64 ino;
    __u32 dev;
    __u32 generation;
    char name[KS_PATH_NAME];
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 8192); /* 2.5 MiB; each is a process that lives */
    __type(key, __u64);
    __type(value, struct executed);
} replaced SEC(".maps");
__u64 replaced_count;
/* The map was full once: any process may be one of those that found no room. */
__u32 replaced_untold;

/* Address of key_type_asymmetric, learnt from the first such key: it never moves. */
const void *asymmetric_type;

/* The keyring in which those of the first user namespace's users stand: never freed. */
__u64 key_that_stays;

/*
 * Zero, but the verifier does not know. Those before 6.7 look at bpf_loop's function once, with
 * what it is given first, and remove what cannot be reached then.
 */
volatile __u32 unknown_zero;

/* libbpf fills it in from uname(2); the verifier takes it for a constant. */
extern int LINUX_KERNEL_VERSION __kconfig;

static __always_inline void count(enum ks_counter which)
{
    __sync_fetch_and_add(&counters[which], 1);
}

#endif
