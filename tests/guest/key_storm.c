// SPDX-License-Identifier: Apache-2.0
// key_storm SEED OPERATIONS PROCESSES KEYRING...: random operations on keys in these keyrings, from
// several processes at once. The same seed gives each process the same choices.
#include <errno.h>
#include <keyutils.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEYS 256

struct shared {
    key_serial_t key[KEYS];
    unsigned long tried, done;
};

static struct shared *shared;
static key_serial_t *ring;
static int rings;
static unsigned long long state;

static unsigned random_below(unsigned limit)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(state >> 33) % limit;
}

static key_serial_t some_ring(void)
{
    return ring[random_below(rings)];
}

static key_serial_t some_key(void)
{
    return shared->key[random_below(KEYS)];
}

static long add(void)
{
    char name[32], payload[64];
    key_serial_t key;

    // Few names, so that keys take each other's places.
    snprintf(name, sizeof(name), "storm %u", random_below(100));
    snprintf(payload, sizeof(payload), "payload %u", random_below(1000000));
    key = add_key("user", name, payload, strlen(payload), some_ring());
    if (key > 0) shared->key[random_below(KEYS)] = key;
    return key > 0 ? 0 : -1;
}

static long new_ring(void)
{
    char name[32];
    key_serial_t key;

    snprintf(name, sizeof(name), "nested %u", random_below(20));
    key = add_key("keyring", name, NULL, 0, some_ring());
    if (key > 0) shared->key[random_below(KEYS)] = key;
    return key > 0 ? 0 : -1;
}

static long one(void)
{
    unsigned choice = random_below(1000);

    if (choice < 300) return add();
    if (choice < 450) return keyctl_link(some_key(), some_ring());
    if (choice < 600) return keyctl_unlink(some_key(), some_ring());
    if (choice < 750) return keyctl_update(some_key(), "changed", 7);
    if (choice < 850) return keyctl_move(some_key(), some_ring(), some_ring(), 0);
    if (choice < 880) return new_ring();
    if (choice < 910) return keyctl_setperm(some_key(), 0x3f3f0000);
    if (choice < 930) return keyctl_chown(some_key(), 0, random_below(2));
    if (choice < 960) return keyctl_set_timeout(some_key(), 3600 + random_below(1000));
    if (choice < 975) return keyctl_revoke(some_key());
    if (choice < 990) return keyctl_invalidate(some_key());
    return keyctl_clear(some_ring());
}

int main(int argc, char **argv)
{
    unsigned long operations;
    int processes;

    if (argc < 5) {
        fprintf(stderr, "usage: key_storm SEED OPERATIONS PROCESSES KEYRING...\n");
        return 2;
    }
    operations = strtoul(argv[2], NULL, 0);
    processes = atoi(argv[3]);
    rings = argc - 4;
    ring = calloc(rings, sizeof(*ring));
    for (int i = 0; i < rings; i++) ring[i] = (key_serial_t)strtol(argv[4 + i], NULL, 0);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return 1;

    for (int process = 0; process < processes; process++) {
        if (fork()) continue;
        state = strtoull(argv[1], NULL, 0) * 1000003ull + process;
        while (__atomic_fetch_add(&shared->tried, 1, __ATOMIC_RELAXED) < operations)
            if (one() >= 0) __atomic_fetch_add(&shared->done, 1, __ATOMIC_RELAXED);
        _exit(0);
    }
    while (wait(NULL) > 0) continue;
    printf("seed %s: %lu operations, %lu succeeded\n", argv[1], operations, shared->done);
    return shared->done > operations / 4 ? 0 : 1;
}
