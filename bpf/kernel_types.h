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

struct list_head {
    struct list_head *next, *prev;
} KERNEL_TYPE;

struct rb_node {
    unsigned long __rb_parent_color;
    struct rb_node *rb_right, *rb_left;
} KERNEL_TYPE;

struct assoc_array_ptr;

struct assoc_array {
    struct assoc_array_ptr *root;
} KERNEL_TYPE;

struct key {
    __s32 serial;
    struct rb_node serial_node;
    __s64 expiry;
    kuid_t uid;
    kgid_t gid;
    __u32 perm;
    unsigned long flags;
    short state;
    struct keyring_index_key index_key;
    union key_payload payload;
    struct list_head name_link; /* of keyrings; with `keys` in the place of the payload */
    struct assoc_array keys;
} KERNEL_TYPE;

/* <linux/assoc_array_priv.h> */
struct assoc_array_node {
    struct assoc_array_ptr *back_pointer;
    __u8 parent_slot;
    struct assoc_array_ptr *slots[16];
} KERNEL_TYPE;

struct assoc_array_shortcut {
    struct assoc_array_ptr *back_pointer;
    int parent_slot;
    struct assoc_array_ptr *next_node;
} KERNEL_TYPE;

/* <crypto/public_key.h> */
struct public_key {
    void *key;
    __u32 keylen;
    _Bool key_is_private;
    const char *pkey_algo;
} KERNEL_TYPE;

/* <keys/asymmetric-subtype.h> */
struct asymmetric_key_subtype {
    const char *name;
} KERNEL_TYPE;

/* <keys/asymmetric-type.h> */
struct asymmetric_key_id {
    unsigned short len;
    unsigned char data[];
} KERNEL_TYPE;

struct asymmetric_key_ids {
    void *id[3];
} KERNEL_TYPE;

/* <keys/request_key_auth-type.h> */
struct request_key_auth {
    struct key *dest_keyring;
} KERNEL_TYPE;

struct ns_common {
    unsigned int inum;
} KERNEL_TYPE;

struct user_namespace {
    struct ns_common ns;
    struct list_head keyring_name_list;
    struct key *user_keyring_register;
} KERNEL_TYPE;

struct mnt_namespace {
    struct ns_common ns;
} KERNEL_TYPE;

struct pid_namespace {
    struct ns_common ns;
} KERNEL_TYPE;

struct net {
    struct ns_common ns;
} KERNEL_TYPE;

struct nsproxy {
    struct mnt_namespace *mnt_ns;
    struct pid_namespace *pid_ns_for_children;
    struct net *net_ns;
} KERNEL_TYPE;

struct user_struct {
    kuid_t uid;
} KERNEL_TYPE;

struct cred {
    kuid_t uid;
    kgid_t gid;
    kuid_t euid;
    kgid_t egid;
    struct user_namespace *user_ns;
    struct key *session_keyring;
    struct key *process_keyring;
    struct key *thread_keyring;
    struct key *request_key_auth;
    struct user_struct *user;
} KERNEL_TYPE;

struct super_block {
    __u32 s_dev;
} KERNEL_TYPE;

struct inode {
    struct super_block *i_sb;
    unsigned long i_ino;
    __u32 i_generation;
} KERNEL_TYPE;

struct qstr {
    const unsigned char *name;
} KERNEL_TYPE;

struct dentry {
    struct dentry *d_parent;
    struct qstr d_name;
} KERNEL_TYPE;

struct vfsmount {
    struct dentry *mnt_root;
} KERNEL_TYPE;

/* fs/mount.h */
struct mount {
    struct mount *mnt_parent;
    struct dentry *mnt_mountpoint;
    struct mnt_namespace *mnt_ns;
    struct vfsmount mnt;
} KERNEL_TYPE;

struct path {
    struct vfsmount *mnt;
    struct dentry *dentry;
} KERNEL_TYPE;

struct file {
    struct path f_path;
    struct inode *f_inode;
} KERNEL_TYPE;

struct mm_struct {
    struct file *exe_file;
} KERNEL_TYPE;

/* fs/kernfs: the parent has another name since 6.15 */
struct kernfs_node {
    struct kernfs_node *parent;
    const char *name;
} KERNEL_TYPE;

struct kernfs_node___rcu {
    struct kernfs_node *__parent;
} KERNEL_TYPE;

struct cgroup {
    struct kernfs_node *kn;
} KERNEL_TYPE;

struct css_set {
    struct cgroup *dfl_cgrp; /* that of cgroup v2, in hybrid set-ups, too */
} KERNEL_TYPE;

struct task_struct {
    unsigned int flags;
    int pid;
    int tgid;
    struct task_struct *real_parent;
    const struct cred *cred;
    struct nsproxy *nsproxy;
    struct mm_struct *mm;
    struct css_set *cgroups;
    struct task_struct *group_leader;
    __u64 start_boottime;
    __u64 self_exec_id;
    kuid_t loginuid;
    unsigned int sessionid;
    char comm[16];
} KERNEL_TYPE;

/* <linux/utsname.h>: stands for any memory, see WORDS(). */
struct new_utsname {
    char sysname[65];
} KERNEL_TYPE;

#ifdef __TARGET_ARCH_x86
struct pt_regs {
    unsigned long orig_ax; /* number of the system call */
} KERNEL_TYPE;
#define SYSCALL_OF(regs) ((int)(regs)->orig_ax)
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
    __s32 syscallno; /* number of the system call */
} KERNEL_TYPE;
#define SYSCALL_OF(regs) ((regs)->syscallno)
#else
#error \
    "where does this architecture keep the number of the system call? -1 would make each process a kernel thread"
#endif

#endif
