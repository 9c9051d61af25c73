// SPDX-License-Identifier: Apache-2.0
// first_link COUNT WATCHED HOME: makes COUNT keys, one after the other, in the keyring HOME, and of each, at the same
// moment, one thread changes what it is (revokes it, ...) while another links it into the keyring WATCHED. A key's
// description says what was done to it. Prints how many stand in WATCHED.
#include <keyutils.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static key_serial_t watched, key;
static long count, linked;
static long begun, done; // rounds, by both

static const char *const changes[] = {"revoked", "invalidated", "timeout", "setperm", "chown"};

static long change(long i)
{
    switch (i % 5) {
    case 0: return keyctl_revoke(key);
    case 1: return keyctl_invalidate(key);
    case 2: return keyctl_set_timeout(key, 1000);
    case 3: return keyctl_setperm(key, 0x3f3f3f3f);
    default: return keyctl_chown(key, -1, 7);
    }
}

static void await(long *number, long value)
{
    while (__atomic_load_n(number, __ATOMIC_ACQUIRE) < value) sched_yield();
}

static void *changer(void *unused)
{
    for (long i = 0; i < count; i++) {
        await(&begun, i + 1);
        // Sooner and later, so that every moment of the other call is met.
        for (volatile long wait = i / 5 % 40 * 25; wait > 0; wait--) continue;
        if (change(i)) perror(changes[i % 5]);
        __atomic_store_n(&done, i + 1, __ATOMIC_RELEASE);
    }
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    key_serial_t home;

    if (argc != 4) {
        fprintf(stderr, "usage: first_link COUNT WATCHED HOME\n");
        return 2;
    }
    count = strtol(argv[1], NULL, 0);
    watched = (key_serial_t)strtol(argv[2], NULL, 0);
    home = (key_serial_t)strtol(argv[3], NULL, 0);
    if (pthread_create(&thread, NULL, changer, NULL)) return 1;
    for (long i = 0; i < count; i++) {
        char description[64];

        snprintf(description, sizeof(description), "%s %ld", changes[i % 5], i);
        key = add_key("user", description, "x", 1, home);
        if (key < 0) {
            perror("add_key");
            return 1;
        }
        __atomic_store_n(&begun, i + 1, __ATOMIC_RELEASE);
        linked += keyctl_link(key, watched) == 0; // where the other was first it may be refused
        await(&done, i + 1);
        keyctl_unlink(key, home);
    }
    pthread_join(thread, NULL);
    printf("%ld\n", linked);
    return 0;
}
