// SPDX-License-Identifier: Apache-2.0
/*
 * Between two measurements the kernel destroys what the former one left (security/keys/gc.c), in a
 * worker that would otherwise take the one CPU within the next.
 */
#pragma once

#include <sched.h>
#include <stdio.h>

/* How many keys root has that are not destroyed yet: /proc/key-users, "uid: usage nkeys/nikeys
 * ...". */
static int key_objects(void) {
    int keys = -1;
    FILE* users = fopen("/proc/key-users", "r");
    if (!users) return -1;
    if (fscanf(users, " 0: %*d %d/", &keys) != 1) keys = -1;
    fclose(users);
    return keys;
}

/* Bounded: somebody else may have made a key that stays. */
static void wait_for_collector(int keys) {
    for (int i = 0; i < 1000 && key_objects() > keys; i++) sched_yield();
}
