// SPDX-License-Identifier: Apache-2.0
// request_race ROUNDS KEYRING...: in each round one thread a keyring asks request_key(2) for the same key, all at
// once, and wants it in its own. Prints how many got it.
#include <keyutils.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_barrier_t start;
static atomic_int got;
static int rounds;

static void *request(void *keyring)
{
    char description[64];

    for (int round = 0; round < rounds; round++) {
        snprintf(description, sizeof(description), "rk:race:%d", round);
        pthread_barrier_wait(&start);
        if (request_key("user", description, "callout", (key_serial_t)(long)keyring) > 0) got++;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread[64];

    if (argc < 3 || argc > 66) return fprintf(stderr, "usage: %s ROUNDS KEYRING...\n", argv[0]), 2;
    rounds = atoi(argv[1]);
    pthread_barrier_init(&start, NULL, argc - 2);
    for (int i = 2; i < argc; i++)
        if (pthread_create(&thread[i - 2], NULL, request, (void *)atol(argv[i]))) return 1;
    for (int i = 2; i < argc; i++) pthread_join(thread[i - 2], NULL);
    printf("%d\n", got);
    return 0;
}
