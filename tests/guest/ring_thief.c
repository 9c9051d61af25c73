// SPDX-License-Identifier: Apache-2.0
/*
 * ring_thief PIN: takes what is in the pinned ring buffer for itself, until it has had a record.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>

static int taken;

static int take(void *context, void *data, size_t size)
{
    (void)context, (void)data, (void)size;
    taken++;
    return 0;
}

int main(int argc, char **argv)
{
    int map = argc == 2 ? bpf_obj_get(argv[1]) : -1;
    struct ring_buffer *ring = map < 0 ? NULL : ring_buffer__new(map, take, NULL, NULL);

    if (!ring) {
        perror(argc == 2 ? argv[1] : "usage: ring_thief PIN");
        return 1;
    }
    while (taken == 0)
        if (ring_buffer__consume(ring) < 0) return 1;
    printf("%d\n", taken);
    return 0;
}
