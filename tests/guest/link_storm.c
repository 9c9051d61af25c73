// SPDX-License-Identifier: Apache-2.0
// link_storm: eight processes link a key into a keyring of their own and unlink it, until they are killed.
#include <keyutils.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(void)
{
    const pid_t parent = getpid();

    for (int i = 0; i < 7; i++) {
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent) return 0;
            break;
        }
    }
    const key_serial_t ring = add_key("keyring", "hostile", NULL, 0, KEY_SPEC_PROCESS_KEYRING);
    const key_serial_t key = add_key("user", "hostile", "x", 1, KEY_SPEC_PROCESS_KEYRING);
    if (ring < 0 || key < 0) return perror("add_key"), 1;
    for (;;) {
        keyctl_link(key, ring);
        keyctl_unlink(key, ring);
    }
}
