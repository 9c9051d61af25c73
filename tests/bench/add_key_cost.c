// SPDX-License-Identifier: Apache-2.0
/*
 * What one add_key(2) costs its caller. Run under QEMU's -icount shift=0, where one nanosecond of
 * the guest's clock is one instruction executed.
 *
 *   add_key_cost TYPE SIZE|FILE COUNT KEYRING
 *
 * Calls add_key(2) COUNT times with the same description and SIZE bytes (or the content of FILE)
 * on a new keyring named KEYRING: the first call creates the key, each further one updates it (or,
 * for types without an update operation, such as asymmetric, replaces it). Prints the nanoseconds per call: of the calling thread's own CPU time, and by the
 * wall clock, which on one CPU has whatever else ran in between.
 */
#include <keyutils.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long long now(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

int main(int argc, char** argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: %s TYPE SIZE|FILE COUNT KEYRING\n", argv[0]);
        return 2;
    }
    char* end;
    size_t size = strtoul(argv[2], &end, 10);
    char* payload = NULL;
    if (*end) {
        FILE* file = fopen(argv[2], "rb");
        if (!file) return perror(argv[2]), 1;
        payload = malloc(1 << 20);
        size = fread(payload, 1, 1 << 20, file);
        fclose(file);
    } else {
        payload = malloc(size);
        memset(payload, 'x', size);
    }
    const int count = atoi(argv[3]);
    key_serial_t ring = add_key("keyring", argv[4], NULL, 0, KEY_SPEC_PROCESS_KEYRING);
    if (ring < 0) return perror("add_key keyring"), 1;

    long long cpu = 0, wall = 0;
    for (int i = -10; i < count; i++) { /* the first ten warm up */
        const long long cpu_start = now(CLOCK_THREAD_CPUTIME_ID);
        const long long start = now(CLOCK_MONOTONIC);
        const key_serial_t key = add_key(argv[1], "bench", payload, size, ring);
        const long long wall_end = now(CLOCK_MONOTONIC);
        const long long cpu_end = now(CLOCK_THREAD_CPUTIME_ID);
        if (key < 0) return perror("add_key"), 1;
        if (i < 0) continue;
        wall += wall_end - start;
        cpu += cpu_end - cpu_start;
    }
    printf("cpu %.1f wall %.1f\n", (double)cpu / count, (double)wall / count);
    return 0;
}
