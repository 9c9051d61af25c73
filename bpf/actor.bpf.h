/* SPDX-License-Identifier: GPL-2.0-only */
/* Who asked for an operation. */
#ifndef KEYSCRIBE_ACTOR_BPF_H
#define KEYSCRIBE_ACTOR_BPF_H

#include "cast.bpf.h"
#include "kernel_types.h"
#include "maps.bpf.h"

#define PF_KTHREAD 0x00200000 /* <linux/sched.h> */

/* A path, walked from its end to the root. */
struct path_walk {
    __u64 mount; /* of a file */
    __u64 node; /* dentry, or kernfs_node */
    __u64 names[KS_PATH_DEPTH]; /* pointers to the components */
    __u32 count;
    __u32 whole; /* it reached the root */
};

/* One step up from a file, to the root of all mounts; 1 ends the walk. */
static long step_up(__u32 step, struct path_walk *walk)
{
    struct vfsmount *mount = (void *)walk->mount;
    struct dentry *dentry = (void *)walk->node;
    struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
    __u32 count = walk->count;

    if (dentry == BPF_CORE_READ(mount, mnt_root)) {
        struct mount *inner = (void *)mount - bpf_core_field_offset(struct mount, mnt);
        struct mount *outer = BPF_CORE_READ(inner, mnt_parent);

        if (outer == inner) {
            walk->whole = 1;
            return 1;
        }
        walk->node = (__u64)BPF_CORE_READ(inner, mnt_mountpoint);
        walk->mount = (__u64)outer + bpf_core_field_offset(struct mount, mnt);
        return 0;
    }
    if (dentry == parent || count >= KS_PATH_DEPTH) return 1;
    walk->names[count] = (__u64)BPF_CORE_READ(dentry, d_name.name);
    walk->count = count + 1;
    walk->node = (__u64)parent;
    return 0;
}

/* The same from a cgroup, to the root of its hierarchy. */
static long step_up_cgroup(__u32 step, struct path_walk *walk)
{
    struct kernfs_node *node = (void *)walk->node;
    struct kernfs_node *parent;
    __u32 count = walk->count;

    if (bpf_core_field_exists(node->parent)) parent = BPF_CORE_READ(node, parent);
    else parent = BPF_CORE_READ((struct kernfs_node___rcu *)node, __parent);
    if (!parent) {
        walk->whole = 1;
        return 1;
    }
    if (count >= KS_PATH_DEPTH) return 1;
    walk->names[count] = (__u64)BPF_CORE_READ(node, name);
    walk->count = count + 1;
    walk->node = (__u64)parent;
    return 0;
}

/* Room for an announcement, with the path in it; 0: there is none, and it is told with the next event. */
static __always_inline struct ks_event *announcement(const struct path_walk *walk, __u8 operation)
{
    struct ks_announcement *about;
    struct ks_event *event;

    event = bpf_ringbuf_reserve(&ring, sizeof(*event) + sizeof(*about), 0);
    if (!event) return 0;
    __builtin_memset(event, 0, sizeof(*event));
    event->version = KS_EVENT_VERSION;
    event->operation = operation;
    event->extra_length = sizeof(*about);
    event->head_size = sizeof(*event);
    event->size = sizeof(*event) + sizeof(*about);
    about = (void *)(event + 1);
    __builtin_memset(about, 0, __builtin_offsetof(struct ks_announcement, executed) + 8);
    about->whole = walk->whole;
    /* Places of constant size, and no branch: what the verifier has to tell apart stays little. */
#pragma unroll
    for (__u32 i = 0; i < KS_PATH_DEPTH; i++) {
        about->path[i][0] = 0;
        bpf_probe_read_kernel_str(about->path[i], KS_PATH_NAME, (void *)walk->names[i]);
    }
    return event;
}

/*
 * Says what the process executes. A global function: the verifier looks at it once, not once for
 * each path that leads here.
 */
__noinline int announce_executable(struct ks_actor *actor)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct path_walk walk = {.count = unknown_zero};
    struct ks_announcement *about;
    struct executed *executed = 0;
    struct ks_event *event;
    struct ks_image *image;
    struct file *file;
    __u64 mm;

    if (!actor) return 0;
    mm = (__u64)BPF_CORE_READ(task, mm);
    file = BPF_CORE_READ((struct mm_struct *)mm, exe_file);
    walk.mount = (__u64)BPF_CORE_READ(file, f_path.mnt);
    walk.node = (__u64)BPF_CORE_READ(file, f_path.dentry);
    bpf_loop(2 * KS_PATH_DEPTH, step_up, &walk, 0);

    event = announcement(&walk, KS_OP_EXECUTABLE);
    if (!event) return 0;
    about = (void *)(event + 1);
    event->actor.pid = actor->pid;
    event->actor.start_time = actor->start_time;
    event->actor.exec_id = actor->exec_id;
    about->exe_ino = BPF_CORE_READ(file, f_inode, i_ino);
    about->exe_dev = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
    about->exe_generation = BPF_CORE_READ(file, f_inode, i_generation);
    if (walk.whole) {
        struct mount *root = (void *)walk.mount - bpf_core_field_offset(struct mount, mnt);

        about->mnt_ns = BPF_CORE_READ(root, mnt_ns, ns.inum);
    }
    if (replaced_count || replaced_untold) executed = bpf_map_lookup_elem(&replaced, &mm);
    if (executed && (executed->ino != about->exe_ino || executed->dev != about->exe_dev ||
                     executed->generation != about->exe_generation)) {
        about->replaced = 1;
        about->exe_ino = executed->ino;
        about->exe_dev = executed->dev;
        about->exe_generation = executed->generation;
        __builtin_memcpy(about->executed, executed->name, sizeof(executed->name));
    } else if (!executed && replaced_untold) {
        about->replaced = 1;
        about->exe_ino = 0;
        about->exe_dev = about->exe_generation = 0;
    }
    bpf_ringbuf_submit(event, 0);
    image = &images[actor->pid % KS_PLACES];
    image->start_time = actor->start_time;
    image->pid = actor->pid;
    image->exec_id = actor->exec_id;
    image->file = (__u64)file;
    return 0;
}

__noinline int announce_cgroup(__u64 id)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct path_walk walk = {.count = unknown_zero};
    struct ks_event *event;

    walk.node = (__u64)BPF_CORE_READ(task, cgroups, dfl_cgrp, kn);
    bpf_loop(KS_PATH_DEPTH + 1, step_up_cgroup, &walk, 0);
    event = announcement(&walk, KS_OP_CGROUP);
    if (!event) return 0;
    event->actor.cgroup_id = id;
    bpf_ringbuf_submit(event, 0);
    cgroups[id % KS_PLACES] = id;
    return 0;
}

/* What look_at_task() finds that was not announced. */
enum unannounced {
    UNANNOUNCED_IMAGE = 1,
    UNANNOUNCED_CGROUP = 2,
};

/*
 * One look at the task serves the record and says what has to be announced (enum unannounced). A
 * global function, as those above.
 */
__noinline int look_at_task(struct ks_actor *actor)
{
    struct task_struct *task = bpf_get_current_task_btf();
    /* For the pointers: each costs 10 instructions, and saves a twentieth of the time that loading takes. */
    const struct task_struct *untrusted = untrusted_task();
    const struct cred *cred = untrusted->cred;
    struct mm_struct *mm = untrusted->mm;
    struct nsproxy *spaces = untrusted->nsproxy;
    const struct ks_image *image;
    __u64 file;
    int unannounced = 0;
    const _Bool kernel_thread = task->flags & PF_KTHREAD;

    if (!actor) return 0; /* the verifier does not know that it never is */
    actor->pid = task->tgid;
    actor->tid = task->pid;
    actor->ppid = untrusted->real_parent->tgid;
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

    if (cgroups[actor->cgroup_id % KS_PLACES] != actor->cgroup_id) unannounced = UNANNOUNCED_CGROUP;
    file = kernel_thread || !mm ? 0 : (__u64)mm->exe_file;
    if (!file) {
        actor->start_time = 0;
        actor->exec_id = 0;
        return unannounced;
    }
    actor->start_time = untrusted->group_leader->start_boottime;
    actor->exec_id = task->self_exec_id;
    image = &images[actor->pid % KS_PLACES];
    if (image->start_time != actor->start_time || image->file != file || image->pid != actor->pid ||
        image->exec_id != actor->exec_id)
        unannounced |= UNANNOUNCED_IMAGE;
    return unannounced;
}

/* A function of its own: each branch in find_actor() would double the paths of every program. */
__noinline int announce(struct ks_actor *actor, int unannounced)
{
    if (!actor) return 0;
    if (unannounced & UNANNOUNCED_IMAGE) announce_executable(actor);
    if (unannounced & UNANNOUNCED_CGROUP) announce_cgroup(actor->cgroup_id);
    return 0;
}

/* Before the record is reserved, so that the reader has the paths by then. */
static __always_inline void find_actor(struct ks_actor *actor)
{
    const int unannounced = look_at_task(actor);

    if (unannounced) announce(actor, unannounced);
}

#endif
