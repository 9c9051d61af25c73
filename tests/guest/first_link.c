// SPDX-License-Identifier: Apache-2.0
// first_link COUNT WATCHED HOME: makes COUNT keys, one after the other, in the keyring HOME; one thread changes what the
// key is (revokes it, ...), and in the midst of that another links it into the keyring WATCHED. A key's description says
// what was done to it. Prints how many stand in WATCHED.
//
// Both threads have one CPU. The one that links sleeps for a time that sweeps over the other's call, and then takes the
// CPU wherever the kernel lets it: where that call locks the key, at the latest.
#define _GNU_SOURCE
#include <keyutils.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

static void *changer(void *unused)
{
    for (long i = 0; i < count; i++) {
        while (__atomic_load_n(&begun, __ATOMIC_ACQUIRE) <= i) continue;
        if (change(i)) perror(changes[i % 5]);
        __atomic_store_n(&done, i + 1, __ATOMIC_RELEASE);
    }
    return unused;
}

static void sleep_for(long nanoseconds)
{
    const struct timespec time = {.tv_nsec = nanoseconds};

    nanosleep(&time, NULL);
}

int main(int argc, char **argv)
{
    const struct sched_param first = {.sched_priority = 1};
    cpu_set_t one;
    pthread_t thread;
    key_serial_t home;

    if (argc != 4) {
        fprintf(stderr, "usage: first_link COUNT WATCHED HOME\n");
        return 2;
    }
    count = strtol(argv[1], NULL, 0);
    watched = (key_serial_t)strtol(argv[2], NULL, 0);
    home = (key_serial_t)strtol(argv[3], NULL, 0);
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    if (sched_setaffinity(0, sizeof(one), &one)) perror("sched_setaffinity");
    if (pthread_create(&thread, NULL, changer, NULL)) return 1;
    if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &first))
        fprintf(stderr, "no real-time priority\n");
    for (long i = 0; i < count; i++) {
        char description[64];

        snprintf(description, sizeof(description), "%s %ld", changes[i % 5], i);
        key = add_key("user", description, "x", 1, home);
        if (key < 0) {
            perror("add_key");
            return 1;
        }
        __atomic_store_n(&begun, i + 1, __ATOMIC_RELEASE);
        sleep_for(i / 5 % 100 * 500);
        linked += keyctl_link(key, watched) == 0; // where the other was first it may be refused
        while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) <= i) sleep_for(50000);
        keyctl_unlink(key, home);
    }
    pthread_join(thread, NULL);
    printf("%ld\n", linked);
    return 0;
}
