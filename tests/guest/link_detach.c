// SPDX-License-Identifier: Apache-2.0
/*
 * link_detach PIN: asks the kernel to detach a pinned link, as `bpftool link detach` does, and prints
 * what it answers.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    int link = argc == 2 ? bpf_obj_get(argv[1]) : -1;

    if (link < 0) {
        perror(argc == 2 ? argv[1] : "usage: link_detach PIN");
        return 1;
    }
    puts(bpf_link_detach(link) ? strerror(errno) : "detached");
    return 0;
}
