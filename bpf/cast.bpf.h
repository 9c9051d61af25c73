/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses that get a type, so that they can be followed by loads. */
#ifndef KEYSCRIBE_CAST_BPF_H
#define KEYSCRIBE_CAST_BPF_H

#include "kernel_types.h"
#include "maps.bpf.h"

/*
 * Gives a number a type, so that it can be followed without a helper's call (some 70 instructions
 * each); what cannot be read is 0 then. Kernels before 6.2 do not have it.
 */
extern void *bpf_rdonly_cast(const void *address, __u32 type) __ksym __weak;

#define CAN_CAST (LINUX_KERNEL_VERSION >= KERNEL_VERSION(6, 12, 0))
#define CAST(type, address) bpf_rdonly_cast((const void *)(address), bpf_core_type_id_kernel(type))

/*
 * The task, to follow what it points to. For each pointer out of what bpf_get_current_task_btf() gives the
 * verifier of 6.12 would search all the kernel's types four times, for names that say what it may trust.
 * The program pays with a check of each address.
 */
static __always_inline const struct task_struct *untrusted_task(void)
{
    const struct task_struct *task = bpf_get_current_task_btf();

    if (CAN_CAST) return CAST(struct task_struct, task);
    return task;
}

/* Any memory: of a type that every kernel has, and that is long enough. */
#define WORDS(address) ((const __u64 *)CAST(struct new_utsname, address))

#endif
