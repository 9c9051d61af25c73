/* SPDX-License-Identifier: GPL-2.0-only */
/* The type of a key, by its name, and what follows from it. */
#ifndef KEYSCRIBE_TYPE_NAME_BPF_H
#define KEYSCRIBE_TYPE_NAME_BPF_H

#include "change.bpf.h"

/* The type's name, and the same as words for quick comparison. */
union type_name {
    char name[KS_TYPE_NAME_SIZE];
    __u64 word[KS_TYPE_NAME_SIZE / 8];
};

_Static_assert(KS_TYPE_NAME_SIZE == 3 * 8, "compared in words");

#define WORD(a, b, c, d, e, f, g, h)                                                         \
    ((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | \
     (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)

static __always_inline _Bool is_asymmetric(const union type_name *type)
{
    return type->word[0] == WORD('a', 's', 'y', 'm', 'm', 'e', 't', 'r') &&
           type->word[1] == WORD('i', 'c', 0, 0, 0, 0, 0, 0);
}

static __always_inline _Bool is_blacklist(const union type_name *type)
{
    return type->word[0] == WORD('b', 'l', 'a', 'c', 'k', 'l', 'i', 's') &&
           type->word[1] == WORD('t', 0, 0, 0, 0, 0, 0, 0);
}

static __always_inline _Bool is_keyring(const union type_name *type)
{
    return type->word[0] == WORD('k', 'e', 'y', 'r', 'i', 'n', 'g', 0);
}

/* Types whose payload never is a secret; asymmetric keys can also be private ones (PKCS#8). */
static __always_inline _Bool is_public_type(const union type_name *type)
{
    return is_asymmetric(type) || is_blacklist(type) || is_keyring(type);
}

/*
 * Whether the asymmetric key is anything but a public key in software, whose bytes are no secret:
 * what cannot be read is not given away.
 */
__noinline _Bool is_private_key(__u64 address)
{
    const struct key *key = (const void *)address;
    const struct asymmetric_key_subtype *subtype = 0;
    const struct public_key *crypto = 0;
    const char *name = 0;
    __u64 word[2] = {};
    _Bool is_private = 1;

    bpf_core_read(&subtype, sizeof(subtype), &key->payload.data[1]);
    bpf_core_read(&name, sizeof(name), &subtype->name);
    bpf_probe_read_kernel(word, sizeof("public_key"), name);
    if (word[0] != WORD('p', 'u', 'b', 'l', 'i', 'c', '_', 'k') ||
        word[1] != WORD('e', 'y', 0, 0, 0, 0, 0, 0))
        return 1;
    bpf_core_read(&crypto, sizeof(crypto), &key->payload.data[0]);
    bpf_core_read(&is_private, sizeof(is_private), &crypto->key_is_private);
    return is_private;
}

/* `word` up to its first zero byte. */
static __always_inline __u64 until_zero(__u64 word)
{
    /* The upper bit of each byte that is zero; above the lowest one it may be wrong. */
    __u64 zeros = (word - 0x0101010101010101ull) & ~word & 0x8080808080808080ull;

    /* Without a zero all bits: 0 - 1. */
    return word & ((zeros & -zeros) - 1);
}

/* Zero-filled, from struct key_type's name: quicker than bpf_probe_read_kernel_str. */
static __always_inline void read_name(union type_name *type, const char *name)
{
    __u64 ended;

    if (CAN_CAST) {
        const __u64 *text = WORDS(name);

        type->word[1] = type->word[2] = 0;
        type->word[0] = until_zero(text[0]);
        /* A word that is not full to its last byte ends the name. */
        if (type->word[0] && type->word[0] >> 56 == 0) return;
        type->word[1] = until_zero(text[1]);
        if (type->word[0] && type->word[1] && type->word[1] >> 56 == 0) return;
        /* Longer, or a word that could not be read: the last string before an unmapped page. */
    } else if (!bpf_probe_read_kernel(type, sizeof(*type), name)) {
        type->word[0] = until_zero(type->word[0]);
        ended = type->word[0] >> 56 == 0;
        if (ended) {
            type->word[1] = type->word[2] = 0;
            return;
        }
        type->word[1] = until_zero(type->word[1]);
        ended = type->word[1] >> 56 == 0;
        type->word[2] = until_zero(type->word[2]) & (ended - 1);
        return;
    }
    __builtin_memset(type, 0, sizeof(*type));
    bpf_probe_read_kernel_str(type->name, sizeof(type->name), name);
}

static __always_inline void read_type_name(union type_name *type, const struct key_type *kernel,
                                           _Bool trusted)
{
    const char *name = 0;

    if (trusted) name = kernel->name;
    else bpf_core_read(&name, sizeof(name), &kernel->name);
    read_name(type, name);
    if (!asymmetric_type && is_asymmetric(type)) asymmetric_type = kernel;
}

#endif
