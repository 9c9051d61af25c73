// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs. Per operation the controller loads exactly one of the alternatives (see
 * controller/host/capture/hook_plan.h); with two of them attached an operation would be seen twice.
 * Those on functions that can fail run at their return.
 */
#include "kernel_types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "baseline.bpf.h"
#include "key_lookup.bpf.h"
#include "replaced.bpf.h"

char LICENSE[] SEC("license") = "GPL";

typedef unsigned long long context;

/* Kernels since 6.10 have them; before 6.15 their verifiers refuse global functions between the two. */
extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;

#define CAN_HOLD_CPU (LINUX_KERNEL_VERSION >= KERNEL_VERSION(6, 15, 0))

static __always_inline void hold_cpu(void)
{
    if (CAN_HOLD_CPU) bpf_preempt_disable();
}

static __always_inline void release_cpu(void)
{
    if (CAN_HOLD_CPU) bpf_preempt_enable();
}

/*
 * A tracing program. The kernel skips it where it is running on the same CPU already, and newer ones
 * (PREEMPT_LAZY) preempt a task in the midst of it: whoever does the same operation there then is not
 * seen. So it keeps the CPU from its first instruction to its last. LSM programs are never skipped.
 */
#define PROGRAM(attach_point, name)                     \
    static __always_inline void name##_body(context *); \
    SEC(attach_point) int name(context *ctx)            \
    {                                                   \
        hold_cpu();                                     \
        name##_body(ctx);                               \
        release_cpu();                                  \
        return 0;                                       \
    }                                                   \
    static __always_inline void name##_body(context *ctx)

/* Members of a change: the key, or the keyring, is that argument. */
#define KEY_IS(number) \
    .key = (const struct key *)ctx[number], .key_trusted = 1, .key_argument = ARGUMENT(number)
#define KEYRING_IS(number)                                            \
    .keyring = (const struct key *)ctx[number], .keyring_trusted = 1, \
    .keyring_argument = ARGUMENT(number)

static __always_inline _Bool failed(context *ctx)
{
    __u64 value = 0;

    bpf_get_func_ret(ctx, &value);
    return (int)value != 0;
}

/* key_ref_t: whether the caller possesses the key stands in the lowest bit (<linux/key.h>). */
static __always_inline const struct key *key_of_reference(__u64 reference)
{
    return (const struct key *)(reference & ~1ull);
}

/* (keyring, key, payload, payload_len, flags, create) in all three. */
static __always_inline void record_create_or_update(context *ctx)
{
    struct change change = {
        .ctx = ctx,
        KEYRING_IS(0),
        KEY_IS(1),
        .payload_argument = ARGUMENT(2),
        .operation = (__u8)ctx[5] ? KS_OP_CREATE : KS_OP_UPDATE,
    };
    /* Of the controller's, which updates its key: another bit than the program of keyctl(2) sets. */
    if (!is_canary(KS_OP_CREATE)) record_with_payload(&change);
}

SEC("lsm/key_post_create_or_update")
int create_or_update_lsm(context *ctx)
{
    record_create_or_update(ctx);
    return 0;
}

PROGRAM("fentry/security_key_post_create_or_update", create_or_update_security)
{
    record_create_or_update(ctx);
}

PROGRAM("fentry/ima_post_key_create_or_update", create_or_update_ima)
{
    record_create_or_update(ctx);
}

/* (key_ref, payload, plen): keyctl(KEYCTL_UPDATE) */
PROGRAM("fexit/key_update", update)
{
    const struct key *key = key_of_reference(argument(ctx, 0));
    struct change change = {
        .ctx = ctx,
        .key = CAN_CAST ? CAST(struct key, key) : key,
        .key_trusted = CAN_CAST,
        .payload_argument = ARGUMENT(1),
        .operation = KS_OP_UPDATE,
    };
    if (!failed(ctx)) record_with_payload(&change);
}

/* The keyring that is given, or the one that the requester wanted the key in. */
static __always_inline const struct key *destination(__u64 keyring, __u64 authkey)
{
    const struct key *key = (const struct key *)keyring;
    const struct request_key_auth *request;
    union type_name type;

    if (key || !authkey) return key;
    request = READ_KEY((const struct key *)authkey, 0, payload.data[0]);
    bpf_core_read(&key, sizeof(key), &request->dest_keyring);
    if (!key) return key;
    /* The authorisation has ended by now: make sure that its memory is what it was. */
    read_type_name(&type, READ_KEY(key, 0, index_key.type), 0);
    return is_keyring(&type) ? key : 0;
}

/* (key, data, datalen, keyring, authkey): keyctl(KEYCTL_INSTANTIATE), request_key, keyring_alloc */
PROGRAM("fexit/key_instantiate_and_link", instantiate)
{
    struct change change = {
        .ctx = ctx,
        KEY_IS(0),
        .payload_argument = ARGUMENT(1),
        .operation = KS_OP_INSTANTIATE,
    };
    if (failed(ctx)) return;
    change.keyring = destination(argument(ctx, 3), argument(ctx, 4));
    record_with_payload(&change);
}

/* (key, timeout, error, keyring, authkey): keyctl(KEYCTL_REJECT, KEYCTL_NEGATE) */
PROGRAM("fexit/key_reject_and_link", reject)
{
    struct change change = {
        .ctx = ctx,
        KEY_IS(0),
        .argument = (__u32)argument(ctx, 2),
        .operation = KS_OP_REJECT,
    };
    if (failed(ctx)) return;
    change.keyring = destination(argument(ctx, 3), argument(ctx, 4));
    record(&change);
}

/* (keyring, key) */
PROGRAM("fexit/key_link", link)
{
    struct change change = {
        .ctx = ctx,
        KEYRING_IS(0),
        KEY_IS(1),
        .operation = KS_OP_LINK,
    };
    if (!failed(ctx)) record_with_public_key(&change);
}

/*
 * (target, op, callout_info, callout_len, dest_keyring). request_key(2) links the key that is to be
 * made into the keyring where it is wanted, and then has it made: construct_alloc_key() in
 * security/keys/request_key.c, then construct_key(), whose first step this is.
 */
PROGRAM("fentry/request_key_auth_new", link_requested)
{
    struct change change = {
        .ctx = ctx,
        KEY_IS(0),
        KEYRING_IS(4),
        .operation = KS_OP_LINK,
    };
    /* A number: not every verifier believes that the pointer can be 0. */
    if (argument(ctx, 4)) record(&change); /* under construction, it has no public key */
}

/*
 * (keyring, key). Where somebody else has had the key made meanwhile, construct_alloc_key() links that
 * one, which cannot fail after this check. key_link() and key_move() have a copy of it inside (GCC).
 */
PROGRAM("fexit/__key_link_check_live_key", link_present)
{
    struct change change = {
        .ctx = ctx,
        KEYRING_IS(0),
        KEY_IS(1),
        .operation = KS_OP_LINK,
    };
    if (!failed(ctx)) record_with_public_key(&change);
}

/* (keyring, key) */
PROGRAM("fexit/key_unlink", unlink)
{
    struct change change = {
        .ctx = ctx,
        KEYRING_IS(0),
        KEY_IS(1),
        .operation = KS_OP_UNLINK,
    };
    if (!failed(ctx)) record(&change);
}

/* (key, from, to, flags) */
PROGRAM("fexit/key_move", move)
{
    struct change change = {
        .ctx = ctx,
        KEY_IS(0),
        .from = (const struct key *)ctx[1],
        KEYRING_IS(2),
        .from_argument = ARGUMENT(1),
        .operation = KS_OP_MOVE,
    };
    if (!failed(ctx) && change.from != change.keyring) record_with_public_key(&change);
}

/* (keyring) */
PROGRAM("fexit/keyring_clear", clear)
{
    struct change change = {
        .ctx = ctx,
        KEY_IS(0),
        KEYRING_IS(0),
        .operation = KS_OP_CLEAR,
    };
    if (!failed(ctx)) record(&change);
}

/* (keyring_ref, type, restriction) */
PROGRAM("fexit/keyring_restrict", restrict_links)
{
    const struct key *keyring = key_of_reference(argument(ctx, 0));
    struct change change = {
        .key = keyring,
        .keyring = keyring,
        .restrict_type = (const char *)argument(ctx, 1),
        .restriction = (const char *)argument(ctx, 2),
        .operation = KS_OP_RESTRICT,
    };
    if (!failed(ctx)) record(&change);
}

/* On the key itself; these cannot fail. */
static __always_inline void record_of_key(context *ctx, enum ks_operation operation)
{
    struct change change = {
        .ctx = ctx,
        KEY_IS(0),
        .operation = operation,
    };
    record(&change);
}

/*
 * All that change what a key is run when it is changed. Another task may be linking the key into the
 * first keyring that is watched: its program marks the key (watch()) and then reads what the key is,
 * this one comes after the change and then looks for the mark. So whichever comes second sees the other.
 * Two tasks that revoke one key at the same moment give two records, of which both are true.
 */
PROGRAM("fexit/key_revoke", revoke)
{
    record_of_key(ctx, KS_OP_REVOKE);
}

PROGRAM("fexit/key_invalidate", invalidate)
{
    record_of_key(ctx, KS_OP_INVALIDATE);
}

/* (key, timeout) */
PROGRAM("fexit/key_set_timeout", timeout)
{
    record_of_key(ctx, KS_OP_TIMEOUT);
}

/* The garbage collector's last step. */
PROGRAM("fentry/security_key_free", destroy)
{
    if (!is_canary_key(((const struct key *)ctx[0])->serial)) record_of_key(ctx, KS_OP_DESTROY);
}

/* Of a key that key_of_id() has not found: known by what keyctl(2) was given. */
static __always_inline void record_serial(enum ks_operation operation, __s32 serial, __u32 perm)
{
    __u32 generation = *(volatile __u32 *)&active_generation;
    const struct ks_filter *filter = &filters[generation & 1];
    __u64 rules = filter->operations[operation];
    struct ks_actor actor = {};
    struct ks_event *event;
    __u64 number;

    if (generation &&
        (!rules || (serial > 0 && !is_watched(serial) && !(rules & filter->any_keyring)))) {
        count(KS_COUNT_FILTERED);
        return;
    }
    find_actor(&actor);
    number = __sync_fetch_and_add(&sequence, 1) + 1;
    event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
    if (!event) {
        count(KS_COUNT_LOST);
        return;
    }
    __builtin_memset(event, 0, sizeof(*event));
    event->version = KS_EVENT_VERSION;
    event->operation = operation;
    event->flags = KS_EVENT_SERIAL_ONLY;
    event->sequence = number;
    event->boot_time_ns = bpf_ktime_get_boot_ns();
    event->generation = generation;
    event->key_serial = serial;
    event->key_perm = perm;
    event->keyring_uid = event->from_uid = -1;
    event->head_size = sizeof(*event);
    event->size = sizeof(*event);
    event->actor = actor;
    bpf_ringbuf_submit(event, 0);
}

/* (id, perm) */
PROGRAM("fexit/keyctl_setperm_key", setperm)
{
    __s32 id = (__s32)argument(ctx, 0);
    struct change change = {.operation = KS_OP_SETPERM};

    if (failed(ctx) || is_canary(KS_OP_SETPERM)) return;
    change.key = key_of_id(id);
    if (change.key) record(&change);
    else record_serial(KS_OP_SETPERM, id, (__u32)argument(ctx, 1));
}

/* (id, user, group): ids of the caller's user namespace; the key has those of the first one by now. */
PROGRAM("fexit/keyctl_chown_key", chown)
{
    __s32 id = (__s32)argument(ctx, 0);
    struct change change = {.operation = KS_OP_CHOWN};

    if (failed(ctx) || is_canary(KS_OP_CHOWN)) return;
    change.key = key_of_id(id);
    if (change.key) record(&change);
    else record_serial(KS_OP_CHOWN, id, 0);
}

/* (mm, new_exe_file) */
PROGRAM("fentry/replace_mm_exe_file", exe_replaced)
{
    keep_executed((struct mm_struct *)ctx[0]);
}

/* (task): each fork and clone ends here */
PROGRAM("fentry/wake_up_new_task", exe_inherited)
{
    if (replaced_count) inherit_executed((const struct task_struct *)ctx[0]);
    (void)is_canary(KS_CANARY_FORK);
}

/* (mm): nobody has it any more */
PROGRAM("fentry/exit_mmap", exe_forgotten)
{
    if (replaced_count) forget_executed(ctx[0]);
}

/* (key, buffer): called by keyctl(KEYCTL_GET_SECURITY), and by the controller for this program. */
SEC("fentry/security_key_getsecurity")
int stand(context *ctx)
{
    _Bool asked;

    hold_cpu();
    asked = baseline.mode != KS_BASELINE_OFF &&
            baseline.tgid == (__u32)(bpf_get_current_pid_tgid() >> 32);
    release_cpu();
    /* The walk is long, and nobody else is kept from this program by it but the controller itself. */
    if (asked) send_baseline((const struct key *)argument(ctx, 0));
    return 0;
}
