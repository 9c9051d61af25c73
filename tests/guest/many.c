// SPDX-License-Identifier: Apache-2.0
// many KIND COUNT KEYRING: an ordinary user makes many of something, and adds a key to the keyring
// from or with each. Prints how many keys were added.
//
//   namespaces    processes that stay, each in a user namespace of its own
//   mounts        one mount over the other, and a program that is executed in the uppermost
//   threads       of one process
//   keyrings      in the keyring, with a key in each
//   descriptions  of 4,095 bytes
//   paths         a folder in a folder, and a program that is executed in the innermost
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <keyutils.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static key_serial_t keyring;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int add(const char *kind, int number)
{
    char description[64];

    snprintf(description, sizeof(description), "%s-%d", kind, number);
    return add_key("user", description, "x", 1, keyring) > 0;
}

static int namespaces(int count)
{
    int end[2], told[2], added = 0;
    char yes;

    if (pipe(end) || pipe(told)) fail("pipe");
    for (int i = 0; i < count; i++) {
        if (fork()) continue;
        close(end[1]);
        yes = !unshare(CLONE_NEWUSER) && add("namespaces", i);
        if (write(told[1], &yes, 1) != 1) _exit(1);
        _exit((int)read(end[0], &yes, 1));  // until all have added theirs
    }
    for (int i = 0; i < count && read(told[0], &yes, 1) == 1; i++) added += yes;
    close(end[1]);
    while (wait(NULL) > 0) continue;
    return added;
}

/* This program's file, as NAME in the current folder. */
static void copy_self(const char *name)
{
    const int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    const int to = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

    if (from < 0 || to < 0) fail(name);
    while (sendfile(to, from, NULL, 1 << 20) > 0) continue;
    close(from);
    close(to);
}

static int execute(const char *file, const char *kind)
{
    char serial[16], *arguments[] = {"many", "one", (char *)kind, serial, NULL};
    int status = 0;

    snprintf(serial, sizeof(serial), "%d", keyring);
    if (!fork()) {
        execv(file, arguments);
        _exit(1);
    }
    wait(&status);
    return !status;
}

static int mounts(int count)
{
    char folder[] = "mountsXXXXXX";

    if (!mkdtemp(folder) || unshare(CLONE_NEWUSER | CLONE_NEWNS)) fail("mounts");
    copy_self("mounts-program");
    for (int i = 0; i < count; i++)
        if (mount(i ? folder : ".", folder, NULL, MS_BIND, NULL)) fail("mount");
    if (chdir(folder)) fail(folder);
    return execute("./mounts-program", "mounts");
}

static int paths(int count)
{
    for (int i = 0; i < count; i++) {
        if (mkdir("folder", 0755) && errno != EEXIST) fail("mkdir");
        if (chdir("folder")) fail("chdir");
    }
    copy_self("paths-program");
    return execute("./paths-program", "paths");
}

static void *thread(void *number)
{
    return (void *)(long)add("threads", (int)(long)number);
}

static int threads(int count)
{
    pthread_t all[64];
    int added = 0;

    for (int i = 0; i < count;) {
        const int first = i;

        while (i < count && i < first + 64 &&
               !pthread_create(&all[i - first], NULL, thread, (void *)(long)i))
            i++;
        if (i == first) fail("pthread_create");
        for (int j = first; j < i; j++) {
            void *result;

            pthread_join(all[j - first], &result);
            added += (int)(long)result;
        }
    }
    return added;
}

static int keyrings(int count)
{
    const key_serial_t above = keyring;
    char name[32];
    int added = 0;

    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "keyrings-%d", i);
        keyring = add_key("keyring", name, NULL, 0, above);
        if (keyring < 0) fail("add_key");
        added += 1 + add("keyrings-key", i);
    }
    return added;
}

static int descriptions(int count)
{
    char description[4096] = {};
    int added = 0;

    memset(description, 'd', sizeof(description) - 1);
    for (int i = 0; i < count; i++) {
        snprintf(description + 4084, 12, "%011d", i);
        added += add_key("user", description, "x", 1, keyring) > 0;
    }
    return added;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*make)(int);
    } kinds[] = {{"namespaces", namespaces},     {"mounts", mounts},
                 {"threads", threads},           {"keyrings", keyrings},
                 {"descriptions", descriptions}, {"paths", paths}};

    if (argc != 4) return 2;
    keyring = atoi(argv[3]);
    if (!strcmp(argv[1], "one")) return !add(argv[2], 0);
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (!strcmp(kinds[i].name, argv[1])) {
            printf("%d\n", kinds[i].make(atoi(argv[2])));
            return 0;
        }
    return 2;
}
