// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs. Per operation the controller loads exactly one of the alternatives (see
 * controller/capture/hook_plan.h); with two of them attached an operation would be seen twice.
 */
#include "kernel_types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "record.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/*
 * (keyring, key, payload, payload_len, flags, create) in all three. The payload is fetched with
 * bpf_get_func_arg, since verifiers of 6.12 refuse to load a `const void *` from the context.
 */
static __always_inline void record_create_or_update(unsigned long long *ctx)
{
    __u64 payload = 0, length = 0, create = 0;

    bpf_get_func_arg(ctx, 2, &payload);
    bpf_get_func_arg(ctx, 3, &length);
    bpf_get_func_arg(ctx, 5, &create);

    struct change change = {
        .keyring = (const struct key *)ctx[0],
        .key = (const struct key *)ctx[1],
        .payload = (const void *)payload,
        .payload_length = payload ? length : 0,
        .operation = (__u8)create ? KS_OP_CREATE : KS_OP_UPDATE,
    };
    record(&change);
}

SEC("lsm/key_post_create_or_update")
int create_or_update_lsm(unsigned long long *ctx)
{
    record_create_or_update(ctx);
    return 0;
}

SEC("fentry/security_key_post_create_or_update")
int create_or_update_security(unsigned long long *ctx)
{
    record_create_or_update(ctx);
    return 0;
}

SEC("fentry/ima_post_key_create_or_update")
int create_or_update_ima(unsigned long long *ctx)
{
    record_create_or_update(ctx);
    return 0;
}
