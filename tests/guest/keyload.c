// SPDX-License-Identifier: Apache-2.0
/*
 * keyload RING PROCESSES COUNT SIZE [PAUSE]: each of PROCESSES adds or updates COUNT keys of type
 * user with SIZE bytes in a keyring named RING, PAUSE microseconds apart; COUNT 0: until SIGTERM.
 * A payload begins with "PROCESS NUMBER ", numbers from 0 without gaps. Prints how many each
 * process did, as "PROCESS COUNT" lines, and at the end "seconds S".
 */
#include <keyutils.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_term(int signal)
{
    (void)signal;
    stop = 1;
}

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static int work(key_serial_t ring, int process, long count, size_t size, long pause)
{
    char payload[1 << 16], description[64];
    long done = 0;

    while (!stop && (count == 0 || done < count)) {
        memset(payload, 'x', size);
        int length = snprintf(payload, sizeof(payload), "%d %ld ", process, done);
        if ((size_t)length < size) payload[length] = 'x';
        snprintf(description, sizeof(description), "load %d %ld", process, done % 8);
        if (add_key("user", description, payload, size, ring) < 0) {
            perror("add_key");
            return 1;
        }
        done++;
        if (pause) usleep(pause);
    }
    char line[64];
    int length = snprintf(line, sizeof(line), "%d %ld\n", process, done);
    return write(STDOUT_FILENO, line, length) != length;
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: %s RING PROCESSES COUNT SIZE [PAUSE]\n", argv[0]);
        return 2;
    }
    const int processes = atoi(argv[2]);
    const long count = atol(argv[3]), pause = argc > 5 ? atol(argv[5]) : 0;
    const size_t size = strtoul(argv[4], NULL, 10);
    key_serial_t ring = add_key("keyring", argv[1], NULL, 0, KEY_SPEC_USER_KEYRING);
    if (ring < 0) return perror("add_key keyring"), 1;
    struct sigaction action = {.sa_handler = on_term};
    sigaction(SIGTERM, &action, NULL);

    const double start = now();
    pid_t *children = calloc(processes, sizeof(*children));
    for (int i = 0; i < processes; i++)
        if ((children[i] = fork()) == 0) return work(ring, i, count, size, pause);
    int failed = 0;
    for (int left = processes; left > 0;) {
        int status;
        if (wait(&status) > 0) {
            failed |= status;
            left--;
        } else if (stop) {
            for (int i = 0; i < processes; i++) kill(children[i], SIGTERM);
        }
    }
    printf("seconds %.3f\n", now() - start);
    return failed != 0;
}
