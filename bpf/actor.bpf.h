/* SPDX-License-Identifier: GPL-2.0-only */
/* Who asked for an operation. */
#ifndef KEYSCRIBE_ACTOR_BPF_H
#define KEYSCRIBE_ACTOR_BPF_H

#include "cast.bpf.h"
#include "kernel_types.h"
#include "maps.bpf.h"

#define PF_KTHREAD 0x00200000 /* <linux/sched.h> */

static __always_inline struct ks_executable *place_of(__u64 ino)
{
    return &executables[(ino * 0x9e3779b97f4a7c15ull) >> (64 - KS_EXECUTABLES_BITS)];
}

/* A path, walked from its end to the root of all mounts. */
struct path_walk {
    __u64 mount;
    __u64 dentry;
    __u64 names[KS_PATH_DEPTH]; /* pointers to the components */
    __u32 count;
};

/* One step up; 1 ends the walk. */
static long step_up(__u32 step, struct path_walk *walk)
{
    struct vfsmount *mount = (void *)walk->mount;
    struct dentry *dentry = (void *)walk->dentry;
    struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
    __u32 count = walk->count;

    if (dentry == BPF_CORE_READ(mount, mnt_root)) {
        struct mount *inner = (void *)mount - bpf_core_field_offset(struct mount, mnt);
        struct mount *outer = BPF_CORE_READ(inner, mnt_parent);

        if (outer == inner) return 1;
        walk->dentry = (__u64)BPF_CORE_READ(inner, mnt_mountpoint);
        walk->mount = (__u64)outer + bpf_core_field_offset(struct mount, mnt);
        return 0;
    }
    if (dentry == parent || count >= KS_PATH_DEPTH) return 1;
    walk->names[count] = (__u64)BPF_CORE_READ(dentry, d_name.name);
    walk->count = count + 1;
    walk->dentry = (__u64)parent;
    return 0;
}

/*
 * Sends the path of the executable, the last component first. A global function: the verifier
 * looks at it once, not once for each path that leads here.
 */
__noinline int announce_executable(__u64 ino, __u64 dev)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct path_walk walk = {.count = unknown_zero};
    struct ks_event *event;
    char *path;

    walk.mount = (__u64)BPF_CORE_READ(task, mm, exe_file, f_path.mnt);
    walk.dentry = (__u64)BPF_CORE_READ(task, mm, exe_file, f_path.dentry);
    bpf_loop(2 * KS_PATH_DEPTH, step_up, &walk, 0);

    event = bpf_ringbuf_reserve(&ring, sizeof(*event) + KS_PATH_DEPTH * KS_PATH_NAME, 0);
    if (!event) return 0;
    __builtin_memset(event, 0, sizeof(*event));
    path = (char *)(event + 1);
    /* Places of constant size, and no branch: what the verifier has to tell apart stays little. */
#pragma unroll
    for (__u32 i = 0; i < KS_PATH_DEPTH; i++) {
        path[i * KS_PATH_NAME] = 0;
        bpf_probe_read_kernel_str(path + i * KS_PATH_NAME, KS_PATH_NAME, (void *)walk.names[i]);
    }
    event->version = KS_EVENT_VERSION;
    event->operation = KS_OP_EXECUTABLE;
    event->actor.exe_ino = ino;
    event->actor.exe_dev = dev;
    event->extra_length = KS_PATH_DEPTH * KS_PATH_NAME;
    event->size = sizeof(*event) + KS_PATH_DEPTH * KS_PATH_NAME;
    bpf_ringbuf_submit(event, 0);
    place_of(ino)->ino = ino;
    place_of(ino)->dev = dev;
    return 0;
}

/*
 * One look at the task serves the record and the path of its executable: 1, its path was not sent
 * yet. A global function, as that above.
 */
__noinline int look_at_task(struct ks_actor *actor)
{
    struct task_struct *task = bpf_get_current_task_btf();
    /* These two only: each costs 10 instructions, and saves a twentieth of the time that loading takes. */
    const struct task_struct *untrusted = untrusted_task();
    const struct cred *cred = untrusted->cred;
    struct mm_struct *mm = untrusted->mm;
    struct nsproxy *spaces = task->nsproxy;
    struct file *executable;
    const _Bool kernel_thread = task->flags & PF_KTHREAD;

    if (!actor) return 0; /* the verifier does not know that it never is */
    actor->pid = task->tgid;
    actor->tid = task->pid;
    actor->ppid = task->real_parent->tgid;
    actor->uid = cred->uid.val;
    actor->gid = cred->gid.val;
    actor->euid = cred->euid.val;
    actor->egid = cred->egid.val;
    actor->login_uid = bpf_core_field_exists(task->loginuid) ? task->loginuid.val : (__u32)-1;
    actor->session = bpf_core_field_exists(task->sessionid) ? task->sessionid : (__u32)-1;
    actor->syscall = kernel_thread ? -1 : SYSCALL_OF((struct pt_regs *)bpf_task_pt_regs(task));
    actor->cgroup_id = bpf_get_current_cgroup_id();
    actor->user_ns = cred->user_ns->ns.inum;
    if (spaces) {
        actor->mnt_ns = spaces->mnt_ns->ns.inum;
        actor->pid_ns = spaces->pid_ns_for_children->ns.inum;
        actor->net_ns = spaces->net_ns->ns.inum;
    } else { /* a task that is ending has none */
        actor->mnt_ns = actor->pid_ns = actor->net_ns = 0;
    }
    actor->reserved = 0;
    /* Two words: quicker than bpf_get_current_comm(). */
    *(__u64 *)&actor->comm[0] = *(const __u64 *)&task->comm[0];
    *(__u64 *)&actor->comm[8] = *(const __u64 *)&task->comm[8];

    executable = kernel_thread || !mm ? 0 : mm->exe_file;
    if (executable) {
        struct inode *inode = executable->f_inode;
        __u64 ino = inode->i_ino, dev = inode->i_sb->s_dev;

        actor->exe_ino = ino;
        actor->exe_dev = dev;
        return place_of(ino)->ino != ino || place_of(ino)->dev != dev;
    }
    actor->exe_ino = 0;
    actor->exe_dev = 0;
    return 0;
}

/* Before the record is reserved, so that the reader has the executable's path by then. */
static __always_inline void find_actor(struct ks_actor *actor)
{
    if (look_at_task(actor)) announce_executable(actor->exe_ino, actor->exe_dev);
}

#endif
