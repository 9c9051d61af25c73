// SPDX-License-Identifier: Apache-2.0
// exe_swap FILE DESCRIPTION [fork]: has the kernel say that this process executes FILE, as an
// ordinary user can, then adds a key to the session keyring's "watched"; with `fork` a child does.
//
// A clone that shares the memory enters a user namespace of its own and calls prctl(PR_SET_MM_MAP);
// the kernel refuses while the executable is mapped, so that is copied to anonymous memory before.
#define _GNU_SOURCE
#include <fcntl.h>
#include <keyutils.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct prctl_mm_map map;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void unmap_executable(void)
{
    char own[4096] = {0}, line[8192];
    FILE *maps = fopen("/proc/self/maps", "r");
    struct {
        uintptr_t start, end;
        int protection;
    } areas[16];
    int count = 0;

    if (!maps || readlink("/proc/self/exe", own, sizeof(own) - 1) < 0) die("/proc/self");
    while (count < 16 && fgets(line, sizeof(line), maps)) {
        char rights[5];

        if (!strstr(line, own) ||
            sscanf(line, "%lx-%lx %4s", &areas[count].start, &areas[count].end, rights) != 3)
            continue;
        areas[count++].protection = (rights[0] == 'r' ? PROT_READ : 0) |
                                    (rights[1] == 'w' ? PROT_WRITE : 0) |
                                    (rights[2] == 'x' ? PROT_EXEC : 0);
    }
    fclose(maps);
    for (int i = 0; i < count; i++) {
        const size_t size = areas[i].end - areas[i].start;
        void *copy = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (copy == MAP_FAILED) die("mmap");
        memcpy(copy, (void *)areas[i].start, size);
        if (mprotect(copy, size, areas[i].protection)) die("mprotect");
        if (mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)areas[i].start) ==
            MAP_FAILED)
            die("mremap");
    }
}

/* Fields of /proc/PID/stat by their numbers in proc(5). */
static void read_map(void)
{
    char text[4096] = {0};
    uint64_t fields[53] = {0};
    const int fd = open("/proc/self/stat", O_RDONLY);
    char *at;

    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0) die("/proc/self/stat");
    close(fd);
    at = strrchr(text, ')') + 4;
    for (int number = 4; number < 53 && at; number++) fields[number] = strtoull(at, &at, 10);
    map.start_code = fields[26];
    map.end_code = fields[27];
    map.start_stack = fields[28];
    map.start_data = fields[45];
    map.end_data = fields[46];
    map.start_brk = fields[47];
    map.brk = (uintptr_t)sbrk(0);
    map.arg_start = fields[48];
    map.arg_end = fields[49];
    map.env_start = fields[50];
    map.env_end = fields[51];
}

static int swap(void *unused)
{
    (void)unused;
    if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0)) die("prctl");
    _exit(0);
}

int main(int count, char **arguments)
{
    static char stack[1 << 16];
    key_serial_t keyring;
    int status = 1;

    if (count < 3) return 2;
    read_map();
    map.exe_fd = open(arguments[1], O_RDONLY);
    if ((int)map.exe_fd < 0) die(arguments[1]);
    unmap_executable();
    if (clone(swap, stack + sizeof(stack), CLONE_VM | CLONE_NEWUSER | SIGCHLD, 0) < 0) die("clone");
    wait(&status);
    if (status) return 1;
    if (count > 3) {
        if (fork()) {
            wait(&status);
            return status != 0;
        }
    }
    keyring = keyctl_search(KEY_SPEC_SESSION_KEYRING, "keyring", "watched", 0);
    if (keyring < 0 || add_key("user", arguments[2], "x", 1, keyring) < 0) die("add_key");
    return 0;
}
