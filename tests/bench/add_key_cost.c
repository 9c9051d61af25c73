// SPDX-License-Identifier: Apache-2.0
/*
 * What one add_key(2) costs its caller. Run under QEMU's -icount shift=0, where one nanosecond of
 * the guest's clock is one instruction executed.
 *
 *   add_key_cost TYPE SIZE|FILE COUNT KEYRING
 *
 * Calls add_key(2) COUNT times with the same description and SIZE bytes (or the content of FILE)
 * on a new keyring named KEYRING: the first call creates the key, each further one updates it (or,
 * for types without an update operation, such as asymmetric, replaces it). Prints nanoseconds per
 * call by the wall clock: the median, which leaves out timer ticks and whoever else ran now and then,
 * and the mean, which has them; then the median by the thread's own clock, without whoever took the
 * CPU each time (a daemon that is woken), but with what reading that clock costs.
 */
#include <keyutils.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "settled.h"

static int ascending(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static long long now(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: %s TYPE SIZE|FILE COUNT KEYRING\n", argv[0]);
        return 2;
    }
    char *end;
    size_t size = strtoul(argv[2], &end, 10);
    char *payload = NULL;
    if (*end) {
        FILE *file = fopen(argv[2], "rb");
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

    double *each = calloc(count, sizeof(*each));
    double *own = calloc(count, sizeof(*own));
    double sum = 0;
    int keys = 0;
    for (int i = -10; i < count; i++) { /* the first ten warm up */
        const long long own_start = now(CLOCK_THREAD_CPUTIME_ID);
        const long long start = now(CLOCK_MONOTONIC);
        const key_serial_t key = add_key(argv[1], "bench", payload, size, ring);
        const long long end = now(CLOCK_MONOTONIC);
        const long long own_end = now(CLOCK_THREAD_CPUTIME_ID);
        if (key < 0) return perror("add_key"), 1;
        if (i == -10) keys = key_objects();
        wait_for_collector(keys);
        if (i < 0) continue;
        each[i] = end - start;
        own[i] = own_end - own_start;
        sum += each[i];
    }
    qsort(each, count, sizeof(*each), ascending);
    qsort(own, count, sizeof(*own), ascending);
    printf("median %.0f mean %.0f own %.0f\n", each[count / 2], sum / count, own[count / 2]);
    return 0;
}
