/* SPDX-License-Identifier: GPL-2.0-only */
/* What the programs share with the controller: the ring, the filter, the counters. */
#ifndef KEYSCRIBE_MAPS_BPF_H
#define KEYSCRIBE_MAPS_BPF_H

#include "filter.h"

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 8 << 20); /* the controller sets it before loading */
} ring SEC(".maps");

/* Names of two generations. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 2 * KS_KEYRINGS_MAX);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct ks_keyring_name);
    __type(value, __u64);
} keyring_names SEC(".maps");

/* The filter in use is filters[active_generation % 2]; generation 0 stands for "no policy yet". */
__u32 active_generation;
struct ks_filter filters[2];

/*
 * One counter for all CPUs: key operations are rare enough for a shared cache line, and a total
 * that is exact at every moment is worth more here than a per-CPU one.
 */
__u64 sequence;
__u64 counters[KS_COUNTERS];

/* libbpf fills it in from uname(2); the verifier takes it for a constant. */
extern int LINUX_KERNEL_VERSION __kconfig;

static __always_inline void count(enum ks_counter which)
{
    __sync_fetch_and_add(&counters[which], 1);
}

#endif
