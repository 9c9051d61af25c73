/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which file was executed, where a process has put another one in its place: prctl(PR_SET_MM_MAP)
 * lets whoever is root of a user namespace of their own change mm->exe_file, also for all that
 * share the memory. What stood there is kept for as long as the memory lives.
 */
#ifndef KEYSCRIBE_REPLACED_BPF_H
#define KEYSCRIBE_REPLACED_BPF_H

#include "actor.bpf.h"

static __always_inline void keep(__u64 mm, const struct executed *executed)
{
    const long failed = bpf_map_update_elem(&replaced, &mm, executed, BPF_NOEXIST);

    if (!failed) __sync_fetch_and_add(&replaced_count, 1);
    else if (failed != -17 /* EEXIST: what is there was executed */) replaced_untold = 1;
}

static __always_inline void keep_executed(struct mm_struct *mm)
{
    struct file *file = BPF_CORE_READ(mm, exe_file);
    struct executed executed = {};

    executed.ino = BPF_CORE_READ(file, f_inode, i_ino);
    executed.dev = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
    executed.generation = BPF_CORE_READ(file, f_inode, i_generation);
    bpf_probe_read_kernel_str(executed.name, sizeof(executed.name),
                              BPF_CORE_READ(file, f_path.dentry, d_name.name));
    keep((__u64)mm, &executed);
}

/* A child has a copy of the memory, and with it the file that stands there now. */
static __always_inline void inherit_executed(const struct task_struct *child)
{
    struct task_struct *parent = bpf_get_current_task_btf();
    __u64 from = (__u64)BPF_CORE_READ(parent, mm), to = (__u64)BPF_CORE_READ(child, mm);
    const struct executed *there;
    struct executed executed;

    if (!from || !to || from == to) return;
    there = bpf_map_lookup_elem(&replaced, &from);
    if (!there) return;
    executed = *there;
    keep(to, &executed);
}

static __always_inline void forget_executed(__u64 mm)
{
    if (!bpf_map_delete_elem(&replaced, &mm)) __sync_fetch_and_add(&replaced_count, -1);
}

#endif
