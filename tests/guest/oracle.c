// SPDX-License-Identifier: Apache-2.0
// oracle SEED OPERATIONS MOMENTS CERTIFICATE KEYRING...: random operations on keys, in and around these keyrings: by
// several uids, in threads of theirs, in user namespaces and in network namespaces. The same seed gives each thread the
// same choices; how they meet, the scheduler says. At each of so many moments, the last at the end, nobody does
// anything: it says "halted" and waits for a line. oracle_compare.py then compares what the list says with the kernel.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <keyutils.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEYS 256
#define THREADS 2
#define EVERYBODY 0x3f3f3f3f // whoever possesses a key may do everything: oracle_compare.py does
#define OWNER 0x3f3f0000

static struct shared {
    key_serial_t key[KEYS];
    unsigned long done;
    pthread_barrier_t halted;
} *shared;

static key_serial_t *ring;
static unsigned rings;
static unsigned long operations, moments; // of one thread between two moments
static char certificate[4096];
static size_t certificate_size;
static __thread unsigned long long state;

static unsigned below(unsigned limit)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(state >> 33) % limit;
}

static key_serial_t some_key(void)
{
    return shared->key[below(KEYS)];
}

static key_serial_t some_ring(void)
{
    const key_serial_t own[] = {KEY_SPEC_THREAD_KEYRING, KEY_SPEC_PROCESS_KEYRING,
                                KEY_SPEC_SESSION_KEYRING, KEY_SPEC_USER_KEYRING};
    unsigned choice = below(100);

    if (choice < 80) return ring[below(rings)];
    if (choice < 90) return some_key(); // often one that is nested
    return own[below(4)];
}

static long keep(key_serial_t key)
{
    if (key <= 0) return -1;
    shared->key[below(KEYS)] = key;
    return 0;
}

static long add(const char *type, const char *name, unsigned names, const char *payload,
                size_t size)
{
    char description[64];
    key_serial_t key;
    long kept;

    // Few names, so that keys take each other's places.
    snprintf(description, sizeof(description), "%s%u", name, below(names));
    key = add_key(type, description, payload, size, some_ring());
    kept = keep(key);
    if (kept >= 0 && below(4)) keyctl_setperm(key, EVERYBODY);
    return kept;
}

static long add_user(void)
{
    char payload[2048];
    size_t size = 1 + below(below(10) ? 40 : sizeof(payload) - 1);

    memset(payload, 'x', size);
    return add("user", "key", 60, payload, size);
}

// With a payload for the helper, the kernel starts /sbin/request-key.
static long request(void)
{
    char description[64];

    snprintf(description, sizeof(description), "key%u", below(60));
    return keep(request_key("user", description, NULL, some_ring()));
}

static long request_made(void)
{
    static const char *const helpers[] = {"made", "elsewhere", "reject", "negate"};
    char description[64];

    snprintf(description, sizeof(description), "oracle:%s:%u", helpers[below(4)], below(6));
    return keep(request_key("user", description, "x", below(4) ? some_ring() : 0));
}

static void *short_life(void *unused)
{
    add_key("user", "mortal", "x", 1, KEY_SPEC_THREAD_KEYRING);
    keyctl_link(some_key(), KEY_SPEC_THREAD_KEYRING);
    keyctl_link(KEY_SPEC_THREAD_KEYRING, ring[0]);
    return unused;
}

static long in_short_life(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, short_life, NULL)) return -1;
    return pthread_join(thread, NULL);
}

static long restrict_some(void)
{
    char restriction[40];

    if (below(2)) return keyctl_restrict_keyring(some_key(), NULL, NULL); // takes nothing any more
    snprintf(restriction, sizeof(restriction), "key_or_keyring:%d%s", (int)ring[below(rings)],
             below(2) ? ":chain" : "");
    return keyctl_restrict_keyring(some_key(), "asymmetric", restriction);
}

static long one(void)
{
    unsigned choice = below(1000);

    if (choice < 220) return add_user();
    if (choice < 240) return add("asymmetric", "certificate", 4, certificate, certificate_size);
    if (choice < 260) return add("dns_resolver", "host", 4, "1.2.3.4", 7);
    if (choice < 310) return add("keyring", "nested", 8, NULL, 0);
    if (choice < 450) return keyctl_link(some_key(), some_ring());
    if (choice < 560) return keyctl_unlink(some_key(), some_ring());
    if (choice < 640) return keyctl_update(some_key(), "changed", 7);
    if (choice < 740)
        return keyctl_move(some_key(), some_ring(), some_ring(), below(3) ? 0 : KEYCTL_MOVE_EXCL);
    if (choice < 790) return request();
    if (choice < 820) return keyctl_setperm(some_key(), below(2) ? EVERYBODY : OWNER);
    if (choice < 850)
        return keyctl_chown(some_key(), below(2) ? 1234 : (uid_t)-1, below(2) ? 0 : 1234);
    if (choice < 880)
        return keyctl_set_timeout(some_key(), below(4) ? 3600 + below(1000) : below(2));
    if (choice < 905) return keyctl_revoke(some_key());
    if (choice < 930) return keyctl_invalidate(some_key());
    if (choice < 945) return keyctl_clear(some_ring());
    if (choice < 955) return in_short_life();
    if (choice < 965) return keep(keyctl_join_session_keyring(below(2) ? NULL : "oracle_session"));
    if (choice < 975) return keep(keyctl_get_persistent(-1, some_ring()));
    if (choice < 980) return keyctl_link(ring[below(rings)], KEY_SPEC_SESSION_KEYRING);
    if (choice < 985) return keyctl_link(ring[below(rings)], some_key()); // often a cycle: refused
    if (choice < 990) return restrict_some();
    if (choice < 993) return request_made();
    return keyctl_session_to_parent();
}

static void *work(void *seed)
{
    state = (unsigned long long)(size_t)seed;
    for (unsigned long moment = 0; moment < moments; moment++) {
        for (unsigned long i = 0; i < operations; i++)
            if (one() >= 0) __atomic_fetch_add(&shared->done, 1, __ATOMIC_RELAXED);
        pthread_barrier_wait(&shared->halted);
        pthread_barrier_wait(&shared->halted);
    }
    return NULL;
}

static void write_to(const char *file, const char *text)
{
    int fd = open(file, O_WRONLY);

    if (fd < 0 || write(fd, text, strlen(text)) < 0) perror(file);
    close(fd);
}

static const struct worker {
    uid_t uid;
    int namespaces;
} workers[] = {{0, 0},    {0, CLONE_NEWNET},
               {1234, 0}, {1234, CLONE_NEWUSER},
               {1235, 0}, {1235, CLONE_NEWUSER | CLONE_NEWNET}};

#define WORKERS (sizeof(workers) / sizeof(*workers))

// `ring` is possessed: keys in it are what the owner of the session may do everything with.
static void become(const struct worker *worker)
{
    char map[64];

    keyctl_join_session_keyring(NULL);
    for (unsigned i = 0; i < rings; i++) keyctl_link(ring[i], KEY_SPEC_SESSION_KEYRING);
    // Of the calls themselves: the library's would change all threads.
    if (worker->uid && (syscall(SYS_setresgid, worker->uid, worker->uid, worker->uid) ||
                        syscall(SYS_setresuid, worker->uid, worker->uid, worker->uid)))
        perror("setresuid");
    prctl(PR_SET_DUMPABLE, 1); // /proc/self is the new user's
    if (worker->namespaces && unshare(worker->namespaces)) perror("unshare");
    if (!(worker->namespaces & CLONE_NEWUSER)) return;
    snprintf(map, sizeof(map), "0 %u 1", worker->uid);
    write_to("/proc/self/uid_map", map);
    write_to("/proc/self/setgroups", "deny");
    write_to("/proc/self/gid_map", map);
}

int main(int argc, char **argv)
{
    unsigned long all;
    pthread_barrierattr_t between_processes;
    FILE *file;

    if (argc < 6) {
        fprintf(stderr, "usage: oracle SEED OPERATIONS MOMENTS CERTIFICATE KEYRING...\n");
        return 2;
    }
    moments = strtoul(argv[3], NULL, 0);
    if (!moments) moments = 1;
    operations = strtoul(argv[2], NULL, 0) / moments / (WORKERS * THREADS) + 1;
    all = operations * moments * WORKERS * THREADS;
    file = fopen(argv[4], "r");
    if (file) certificate_size = fread(certificate, 1, sizeof(certificate), file);
    if (!certificate_size) {
        perror(argv[4]);
        return 1;
    }
    rings = argc - 5;
    ring = calloc(rings, sizeof(*ring));
    for (unsigned i = 0; i < rings; i++) ring[i] = (key_serial_t)strtol(argv[5 + i], NULL, 0);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return 1;
    pthread_barrierattr_init(&between_processes);
    pthread_barrierattr_setpshared(&between_processes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->halted, &between_processes, WORKERS * THREADS + 1);

    for (size_t i = 0; i < WORKERS; i++) {
        pthread_t thread[THREADS];

        if (fork()) continue;
        become(&workers[i]);
        for (size_t j = 0; j < THREADS; j++)
            pthread_create(&thread[j], NULL, work,
                           (void *)((strtoul(argv[1], NULL, 0) * 1000003 + i) * THREADS + j));
        for (size_t j = 0; j < THREADS; j++) pthread_join(thread[j], NULL);
        _exit(0);
    }
    for (unsigned long moment = 0; moment < moments; moment++) {
        char line[64];

        pthread_barrier_wait(&shared->halted);
        printf("halted\n");
        fflush(stdout);
        if (!fgets(line, sizeof(line), stdin)) line[0] = 0; // nobody looks: it goes on
        pthread_barrier_wait(&shared->halted);
    }
    while (wait(NULL) > 0) continue;
    printf("seed %s: %lu operations, %lu succeeded\n", argv[1], all, shared->done);
    // Where the quotas are full most of what makes keys fails.
    return shared->done > all / 20 ? 0 : 1;
}
