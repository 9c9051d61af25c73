// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/kernel_hashes.h"

#include <algorithm>
#include <array>

namespace keyscribe::appraise {
namespace {

constexpr KernelHash kHashes[] = {
    {0, "md4", 16, "MD4", true},
    {1, "md5", 16, "MD5", true},
    {2, "sha1", 20, "SHA1", true},
    {3, "rmd160", 20, "RIPEMD160", true},
    {4, "sha256", 32, "SHA256"},
    {5, "sha384", 48, "SHA384"},
    {6, "sha512", 64, "SHA512"},
    {7, "sha224", 28, "SHA224"},
    {8, "rmd128", 16, nullptr, true},
    {9, "rmd256", 32, nullptr, true},
    {10, "rmd320", 40, nullptr, true},
    {11, "wp256", 32, nullptr},
    {12, "wp384", 48, nullptr},
    {13, "wp512", 64, "WHIRLPOOL"},
    {14, "tgr128", 16, nullptr, true},
    {15, "tgr160", 20, nullptr, true},
    {16, "tgr192", 24, nullptr, true},
    {17, "sm3", 32, "SM3"},
    {18, "streebog256", 32, "md_gost12_256"},
    {19, "streebog512", 64, "md_gost12_512"},
    {20, "sha3-256", 32, "SHA3-256"},
    {21, "sha3-384", 48, "SHA3-384"},
    {22, "sha3-512", 64, "SHA3-512"},
};

/// EVP_MD_fetch() takes a lock and a search: once for each algorithm.
const std::array<EVP_MD*, std::size(kHashes)>& fetched() {
    static const auto all = [] {
        std::array<EVP_MD*, std::size(kHashes)> digests{};
        for (const KernelHash& hash : kHashes)
            if (hash.openssl != nullptr)
                digests[hash.number] = EVP_MD_fetch(nullptr, hash.openssl, nullptr);
        ERR_clear_error();
        return digests;
    }();
    return all;
}

}  // namespace

const KernelHash* kernel_hash(std::string_view name) {
    if (name == "sm3-256") name = "sm3";  // until Linux 5.18
    const auto found = std::ranges::find(kHashes, name, &KernelHash::name);
    return found == std::end(kHashes) ? nullptr : found;
}

const KernelHash* kernel_hash_numbered(std::uint8_t number) {
    return number < std::size(kHashes) ? &kHashes[number] : nullptr;
}

const EVP_MD* openssl_digest(const KernelHash& hash) { return fetched()[hash.number]; }

std::optional<std::vector<std::uint8_t>> digest_with(const KernelHash& hash, Bytes bytes) {
    const EVP_MD* method = openssl_digest(hash);
    std::vector<std::uint8_t> digest(hash.size);
    unsigned size = 0;
    if (method == nullptr || static_cast<std::size_t>(EVP_MD_get_size(method)) != hash.size ||
        EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, method, nullptr) != 1)
        return std::nullopt;
    return digest;
}

}  // namespace keyscribe::appraise
