// SPDX-License-Identifier: Apache-2.0
/* peak COMMAND...: runs it, its output thrown away, and prints "SECONDS MIB": how long, and its largest resident set. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct timespec start, end;
    struct rusage usage;
    int status;

    if (argc < 2) return 2;
    clock_gettime(CLOCK_MONOTONIC, &start);
    const pid_t child = fork();
    if (child == 0) {
        dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
        execvp(argv[1], argv + 1);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) < 0) return perror(argv[1]), 1;
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.1f %.1f\n", end.tv_sec - start.tv_sec + (end.tv_nsec - start.tv_nsec) / 1e9,
           usage.ru_maxrss / 1024.0);
    return status != 0;
}
