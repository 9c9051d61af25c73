// SPDX-License-Identifier: Apache-2.0
// zero_variables MAP: writes zeros into the one value of a pinned map, as whoever has CAP_BPF can.
#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments)
{
    struct bpf_map_info info = {0};
    __u32 size = sizeof(info), key = 0;
    const int map = count == 2 ? bpf_obj_get(arguments[1]) : -1;
    void *zeros;

    if (map < 0 || bpf_obj_get_info_by_fd(map, &info, &size)) {
        perror("zero_variables");
        return 1;
    }
    zeros = calloc(1, info.value_size);
    return !zeros || bpf_map_update_elem(map, &key, zeros, BPF_ANY);
}
