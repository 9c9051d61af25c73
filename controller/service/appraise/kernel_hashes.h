// SPDX-License-Identifier: Apache-2.0
// The kernel's hash algorithms, by its names and numbers for them, and OpenSSL's implementations.
// Sources: crypto/hash_info.c, include/uapi/linux/hash_info.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "controller/base/digest.h"
#include "controller/service/appraise/openssl.h"

namespace keyscribe::appraise {

struct KernelHash {
    std::uint8_t number;    ///< enum hash_algo, as signatures name it
    std::string_view name;  ///< hash_algo_name[], as lists name it
    std::size_t size;       ///< of a digest, in bytes
    const char* openssl;    ///< nullptr: OpenSSL has none
    bool collides = false;  ///< two files of one digest can be made
};

/// nullptr: the kernel has no such algorithm.
const KernelHash* kernel_hash(std::string_view name);
const KernelHash* kernel_hash_numbered(std::uint8_t number);

/// nullptr where this OpenSSL does not have it (or has it switched off).
const EVP_MD* openssl_digest(const KernelHash& hash);

/// The digest of `bytes`; nothing where openssl_digest() is nullptr.
std::optional<std::vector<std::uint8_t>> digest_with(const KernelHash& hash, Bytes bytes);

}  // namespace keyscribe::appraise
