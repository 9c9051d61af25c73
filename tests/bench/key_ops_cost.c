// SPDX-License-Identifier: Apache-2.0
/*
 * What link, unlink, update and revoke by keyctl(2) cost their caller. Run under QEMU's -icount
 * shift=0, where one nanosecond of the guest's clock is one instruction executed.
 *
 *   key_ops_cost COUNT KEYRING
 *
 * On COUNT user keys of 32 bytes, one after the other, and two new keyrings named KEYRING. Prints the
 * median nanoseconds per call of each operation. Between two keys it sleeps: an observer that is woken
 * by an event is so for each key, in the first of these operations that it sees. That is a link, so keys
 * are linked twice: "link-waking" is what waking the observer costs as well, "link" is without.
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

static long long now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

enum { LINK_WAKING, LINK, UPDATE, UNLINK, REVOKE, OPERATIONS };
static const char *const names[] = {"link-waking", "link", "update", "unlink", "revoke"};

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s COUNT KEYRING\n", argv[0]);
        return 2;
    }
    const int count = atoi(argv[1]), warm = 10;
    /* For whoever observes, so that it does not take the one CPU within what is measured. */
    const struct timespec turn = {.tv_nsec = 20000000};
    char payload[32];
    double *each[OPERATIONS];
    memset(payload, 'x', sizeof(payload));
    const key_serial_t home = add_key("keyring", "home", NULL, 0, KEY_SPEC_PROCESS_KEYRING);
    const key_serial_t ring = add_key("keyring", argv[2], NULL, 0, KEY_SPEC_PROCESS_KEYRING);
    const key_serial_t another = add_key("keyring", argv[2], NULL, 0, home);
    if (home < 0 || ring < 0 || another < 0) return perror("add_key keyring"), 1;
    for (int i = 0; i < OPERATIONS; i++) each[i] = calloc(count + warm, sizeof(double));

    const int keys = key_objects();
    for (int i = 0; i < count + warm; i++) {
        const key_serial_t key = add_key("user", "bench", payload, sizeof(payload), home);
        long long at[OPERATIONS + 1];
        long failed = key < 0;
        at[0] = now();
        failed |= keyctl_link(key, another);
        at[1] = now();
        failed |= keyctl_link(key, ring);
        at[2] = now();
        failed |= keyctl_update(key, payload, sizeof(payload));
        at[3] = now();
        failed |= keyctl_unlink(key, ring);
        at[4] = now();
        failed |= keyctl_revoke(key);
        at[5] = now();
        if (failed) return perror("keyctl"), 1;
        keyctl_unlink(key, another);
        keyctl_unlink(key, home);
        wait_for_collector(keys);
        nanosleep(&turn, NULL);
        for (int j = 0; j < OPERATIONS; j++) each[j][i] = at[j + 1] - at[j];
    }
    for (int j = 0; j < OPERATIONS; j++) {
        qsort(each[j] + warm, count, sizeof(double), ascending);
        printf("%s %.0f\n", names[j], each[j][warm + count / 2]);
    }
    return 0;
}
