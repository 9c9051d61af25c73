/* SPDX-License-Identifier: GPL-2.0-only */
/* Answers the operations by which the controller finds out whether the programs run. */
#ifndef KEYSCRIBE_CANARY_BPF_H
#define KEYSCRIBE_CANARY_BPF_H

#include "cast.bpf.h"
#include "kernel_types.h"
#include "maps.bpf.h"

#define NS_PER_TICK 10000000 /* as /proc/PID/stat counts: USER_HZ is 100 */

/* True: it was the controller's own, and is answered. `asked`: enum ks_operation, or KS_CANARY_FORK. */
__noinline int answer(__u32 asked)
{
    const struct task_struct *task = untrusted_task();

    if ((__u32)task->tgid != canary.tgid ||
        task->group_leader->start_boottime / NS_PER_TICK != canary.start)
        return 0;
    __sync_fetch_and_or(&canary.answered, 1u << (asked & 31));
    return 1;
}

/* But for a moment every two seconds nobody asks: that costs a load and a branch. */
static __always_inline _Bool is_canary(__u32 asked)
{
    return *(volatile __u32 *)&canary.tgid && answer(asked);
}

/* The garbage collector destroys a key: true: one of the controller's, which is answered. */
static __always_inline _Bool is_canary_key(__s32 serial)
{
#pragma unroll
    for (__u32 i = 0; i < KS_CANARY_KEYS; i++) {
        if (canary.keys[i] != serial) continue;
        canary.keys[i] = 0;
        return 1;
    }
    return 0;
}

#endif
