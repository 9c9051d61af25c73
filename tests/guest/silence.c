// SPDX-License-Identifier: Apache-2.0
/*
 * silence PID PIN: detaches one program of a running daemon: closes the descriptors that the process has of the
 * pinned link, as a debugger can, and pins something else in its place, so that no pin is missing.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSCALL 0x050f /* the instruction, as a word */

static int fail(const char *what)
{
    perror(what);
    exit(1);
}

/* 0: the process was not in a system call, and has done nothing. */
static int try_close(pid_t process, int fd)
{
    struct user_regs_struct before, now;
    int done = 0;

    if (ptrace(PTRACE_ATTACH, process, 0, 0) || waitpid(process, 0, __WALL) < 0) fail("attach");
    if (ptrace(PTRACE_GETREGS, process, 0, &before)) fail("registers");
    if ((ptrace(PTRACE_PEEKTEXT, process, before.rip - 2, 0) & 0xffff) == SYSCALL) {
        now = before;
        now.rip -= 2;
        now.rax = SYS_close;
        now.orig_rax = -1;
        now.rdi = fd;
        if (ptrace(PTRACE_SETREGS, process, 0, &now) || ptrace(PTRACE_SINGLESTEP, process, 0, 0) ||
            waitpid(process, 0, __WALL) < 0 || ptrace(PTRACE_GETREGS, process, 0, &now) ||
            ptrace(PTRACE_SETREGS, process, 0, &before))
            fail("close in the process");
        if (now.rax) fail("close");
        done = 1;
    }
    if (ptrace(PTRACE_DETACH, process, 0, 0)) fail("detach");
    return done;
}

/* The link's id where the descriptor is one of a link, else 0. */
static unsigned int link_id(const char *process, const char *fd)
{
    char path[512], line[128];
    unsigned int id = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", process, fd);
    file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file)) sscanf(line, "link_id: %u", &id);
    if (file) fclose(file);
    return id;
}

int main(int count, char **arguments)
{
    struct bpf_link_info info = {0};
    __u32 size = sizeof(info);
    char path[512], about[600];
    int link, other, closed = 0;
    struct dirent *entry;
    DIR *directory;

    if (count != 3) return 2;
    link = bpf_obj_get(arguments[2]);
    if (link < 0 || bpf_obj_get_info_by_fd(link, &info, &size)) fail(arguments[2]);
    close(link);
    snprintf(path, sizeof(path), "%s", arguments[2]);
    snprintf(about, sizeof(about), "%s/about", dirname(path));
    other = bpf_obj_get(about);
    if (other < 0 || unlink(arguments[2]) || bpf_obj_pin(other, arguments[2])) fail("pin");
    snprintf(path, sizeof(path), "/proc/%s/fd", arguments[1]);
    directory = opendir(path);
    while (directory && (entry = readdir(directory)))
        if (link_id(arguments[1], entry->d_name) == info.id) {
            while (!try_close(atoi(arguments[1]), atoi(entry->d_name))) usleep(1000);
            closed++;
        }
    return !closed;
}
