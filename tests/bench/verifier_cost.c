// SPDX-License-Identifier: Apache-2.0
/*
 * verifier_cost: of each loaded program of the types that Keyscribe has (tracing and LSM), its name and how
 * many instructions the kernel's verifier processed to accept it, as the kernel keeps it since 5.16.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    __u32 id = 0;

    while (bpf_prog_get_next_id(id, &id) == 0) {
        struct bpf_prog_info info;
        __u32 size = sizeof(info);
        int program = bpf_prog_get_fd_by_id(id);

        memset(&info, 0, sizeof(info));
        if (program < 0 || bpf_obj_get_info_by_fd(program, &info, &size)) {
            perror("verifier_cost");
            return 1;
        }
        close(program);
        if (info.type == BPF_PROG_TYPE_TRACING || info.type == BPF_PROG_TYPE_LSM)
            printf("%s %u\n", info.name, info.verified_insns);
    }
    if (errno != ENOENT) {
        perror("verifier_cost");
        return 1;
    }
    return 0;
}
