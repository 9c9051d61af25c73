// SPDX-License-Identifier: Apache-2.0
//
// extremes SEED OPERATIONS KEYRING: key operations of extreme shape, by random choices: names, payloads, types and
// restrictions of every length around those at which something changes, of any bytes; pointers to nowhere; task names,
// executables below paths as long as the kernel takes, and namespaces in namespaces. What the kernel says to each does
// not matter. Prints how many it took.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <keyutils.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const size_t lengths[] = {0,   1,   7,    8,    9,    15,   16,   23,  24,
                                 25,  31,  32,   33,   63,   64,   127,  128, 255,
                                 256, 257, 1023, 2048, 4094, 4095, 4096, 5000};
static const size_t payloads[] = {
    0,    1,     7,     8,     9,     255,     256,           257,          4095,
    4096, 16384, 32766, 32767, 32768, 1 << 20, (1 << 20) - 1, (1 << 20) + 1};
static const char *const types[] = {"user",
                                    "logon",
                                    "keyring",
                                    "big_key",
                                    "asymmetric",
                                    "dns_resolver",
                                    "encrypted",
                                    "trusted",
                                    "rxrpc",
                                    "asymmetric",
                                    "",
                                    ".request_key_auth",
                                    "a type of thirty-one characters",
                                    "one of more than that, far beyond the limit"};
static char text[8192];
static unsigned char blob[(1 << 20) + 16];
static key_serial_t ring, last;

static unsigned pick(unsigned below)
{
    return (unsigned)random() % below;
}

/* A name of any bytes but NUL, of one of the lengths; sometimes none that can be read. */
static const char *name(void)
{
    size_t length = lengths[pick(COUNT(lengths))];

    switch (pick(40)) {
    case 0: return NULL;
    case 1: return (const char *)(uintptr_t)0x1000;
    case 2: return (const char *)(uintptr_t)0xffffffff81000000;
    }
    for (size_t i = 0; i < length; i++) {
        static const char odd[] = "\n\t\x1b\x7f\x80\xc3\xff\"\\%:;|. ";

        text[i] = (char)(pick(3) ? 'a' + pick(26) : odd[pick(sizeof(odd) - 1)]);
    }
    text[length] = 0;
    if (length > 2 && !pick(8)) memcpy(text, pick(2) ? "k:" : ".k", 2);
    return text;
}

static key_serial_t serial(void)
{
    switch (pick(8)) {
    case 0: return (key_serial_t)random();
    case 1: return -(key_serial_t)pick(12);
    case 2: return ring;
    }
    return last;
}

static long add(void)
{
    size_t length = payloads[pick(COUNT(payloads))];
    const void *payload = pick(30) ? blob : (void *)(uintptr_t)0x1000;
    long key;

    for (size_t i = 0; i < 64; i++) blob[i] = (unsigned char)random();
    /* A certificate's beginning, with a length of its own. */
    if (!pick(4)) memcpy(blob, "\x30\x82\xff\xff\x30\x82\x00\x00", 8);
    key = syscall(SYS_add_key, types[pick(COUNT(types))], name(), payload,
                  pick(4) ? length % 300 : length, pick(10) ? ring : serial());
    if (key > 0) last = (key_serial_t)key;
    return key;
}

static long change(void)
{
    key_serial_t key = serial(), to = pick(4) ? ring : serial();
    /* The keyring that everything is in has to stay of use, and those above it. */
    key_serial_t victim = key == ring || key < 0 ? last : key;

    switch (pick(14)) {
    case 0: return syscall(SYS_keyctl, KEYCTL_LINK, key, to);
    case 1: return syscall(SYS_keyctl, KEYCTL_UNLINK, victim, to);
    case 2: return syscall(SYS_keyctl, KEYCTL_MOVE, victim, ring, to, pick(4));
    case 3:
        return syscall(SYS_keyctl, KEYCTL_UPDATE, key, blob,
                       payloads[pick(COUNT(payloads))] % 40000);
    case 4: return syscall(SYS_keyctl, KEYCTL_SETPERM, victim, 0x3f000000u | (unsigned)random());
    case 5:
        return syscall(SYS_keyctl, KEYCTL_CHOWN, victim, pick(2) ? -1 : random(),
                       pick(2) ? -1 : random());
    case 6:
        return syscall(SYS_keyctl, KEYCTL_SET_TIMEOUT, victim,
                       pick(2) ? 1u + pick(3) : (unsigned)random() * 2);
    case 7: return syscall(SYS_keyctl, KEYCTL_REVOKE, pick(3) ? last : victim);
    case 8: return syscall(SYS_keyctl, KEYCTL_INVALIDATE, pick(3) ? last : victim);
    case 9:
        return syscall(SYS_keyctl, KEYCTL_RESTRICT_KEYRING, victim, types[pick(COUNT(types))],
                       name());
    case 10:
        return syscall(SYS_request_key, types[pick(COUNT(types))], name(), pick(2) ? name() : NULL,
                       to);
    case 11: return syscall(SYS_keyctl, KEYCTL_INSTANTIATE, key, blob, 4096, to);
    case 12: return syscall(SYS_keyctl, KEYCTL_REJECT, key, pick(100), random(), to);
    default: return syscall(SYS_keyctl, KEYCTL_GET_PERSISTENT, random(), to);
    }
}

/* Namespaces of each kind, some in each other. */
static void isolate(void)
{
    static const int kinds[] = {CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWNET,
                                CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP};

    for (unsigned depth = pick(35); depth; depth--) {
        int flags = CLONE_NEWUSER;

        for (unsigned i = 0; i < COUNT(kinds); i++)
            if (!pick(4)) flags |= kinds[i];
        if (unshare(flags)) return;
    }
}

/* This program, below a path of up to 40 folders whose names have up to 255 bytes. */
static int below_a_long_path(const char *self, char *const arguments[])
{
    char folder[256];
    int from = open(self, O_RDONLY | O_CLOEXEC), to;
    ssize_t got;

    if (from < 0 || chdir("/tmp")) return -1;
    for (unsigned depth = 1 + pick(40); depth; depth--) {
        size_t length = 1 + pick(255);

        for (size_t i = 0; i < length; i++) folder[i] = (char)(pick(20) ? 'd' : '\x1b');
        folder[length] = 0;
        if ((mkdir(folder, 0755) && errno != EEXIST) || chdir(folder)) return -1;
    }
    to = open("extremes", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    if (to < 0) return -1;
    while ((got = read(from, blob, sizeof(blob))) > 0)
        if (write(to, blob, (size_t)got) != got) return -1;
    close(to);
    return execv("extremes", arguments);
}

int main(int argc, char **argv)
{
    unsigned long operations = argc > 3 ? strtoul(argv[2], NULL, 0) : 0, taken = 0;
    int inner = argc > 4;

    if (argc < 4) return 2;
    srandom((unsigned)strtoul(argv[1], NULL, 0));
    ring = atoi(argv[3]);
    for (unsigned long i = 0; i < operations; i++) {
        if (!inner && !pick(50)) {
            char seed[16];
            char *arguments[] = {"extremes", seed, "10", argv[3], "inner", NULL};
            pid_t child;

            snprintf(seed, sizeof(seed), "%u", (unsigned)random());
            child = fork();
            if (child == 0) {
                srandom((unsigned)atoi(seed));
                isolate();
                if (pick(2)) below_a_long_path("/proc/self/exe", arguments);
                for (int more = 0; more < 10; more++) (void)(pick(2) ? add() : change());
                _exit(0);
            }
            waitpid(child, NULL, 0);
            continue;
        }
        if (!pick(10)) prctl(PR_SET_NAME, name() == text ? text : "extremes");
        taken += (pick(2) ? add() : change()) >= 0;
    }
    if (!inner) printf("%lu of %lu were possible\n", taken, operations);
    return 0;
}
