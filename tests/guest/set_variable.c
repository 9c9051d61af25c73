// SPDX-License-Identifier: Apache-2.0
// set_variable MAP NAME NUMBER: writes a number into the first four bytes of a variable of a pinned map of variables,
// and into nothing else of it, as whoever has CAP_BPF can.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int offset_of(__u32 btf_id, __u32 type_id, const char *name)
{
    struct btf *types = btf__load_from_kernel_by_id(btf_id);
    const struct btf_type *section = types ? btf__type_by_id(types, type_id) : NULL;

    if (!section || !btf_is_datasec(section)) return -1;
    for (int i = 0; i < btf_vlen(section); i++) {
        const struct btf_var_secinfo *variable = &btf_var_secinfos(section)[i];
        const struct btf_type *type = btf__type_by_id(types, variable->type);

        if (!strcmp(btf__name_by_offset(types, type->name_off), name)) return (int)variable->offset;
    }
    return -1;
}

int main(int argc, char **argv)
{
    struct bpf_map_info info = {};
    __u32 size = sizeof(info);
    int map = argc == 4 ? bpf_obj_get(argv[1]) : -1, offset;
    char *value;

    if (map < 0 || bpf_obj_get_info_by_fd(map, &info, &size)) {
        perror("set_variable");
        return 1;
    }
    offset = offset_of(info.btf_id, info.btf_value_type_id, argv[2]);
    if (offset < 0) {
        fprintf(stderr, "set_variable: no variable of this name\n");
        return 1;
    }
    value = mmap(NULL, info.value_size, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
    if (value == MAP_FAILED) {
        perror("set_variable: mmap");
        return 1;
    }
    *(volatile __u32 *)(value + offset) = (__u32)strtoul(argv[3], NULL, 0);
    return 0;
}
