// SPDX-License-Identifier: Apache-2.0
/*
 * many_keys COUNT KEYRINGS: COUNT keys of type user, evenly in new keyrings many0, many1, ...; the
 * descriptions are as long as those that the kernel makes of a certificate.
 */
#include <keyutils.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s COUNT KEYRINGS\n", argv[0]);
        return 2;
    }
    const int count = atoi(argv[1]), keyrings = atoi(argv[2]);
    for (int i = 0; i < keyrings; i++) {
        char text[96];
        snprintf(text, sizeof(text), "many%d", i);
        const key_serial_t ring = add_key("keyring", text, NULL, 0, KEY_SPEC_USER_KEYRING);
        if (ring < 0) return perror("add_key keyring"), 1;
        for (int key = i; key < count; key += keyrings) {
            snprintf(text, sizeof(text), "Example Corporation: %040x", key);
            if (add_key("user", text, "x", 1, ring) < 0) return perror("add_key"), 1;
        }
    }
    return 0;
}
