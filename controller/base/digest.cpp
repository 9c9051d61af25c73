// SPDX-License-Identifier: Apache-2.0
#include "controller/base/digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace keyscribe::base {
namespace {

struct Known {
    Algorithm algorithm;
    std::string_view name;
    const char* openssl_name;
    std::size_t size;
};

constexpr std::array kKnown = {
    Known{Algorithm::kSha1, "sha1", "SHA1", 20},
    Known{Algorithm::kSha256, "sha256", "SHA256", 32},
    Known{Algorithm::kSha384, "sha384", "SHA384", 48},
    Known{Algorithm::kSha512, "sha512", "SHA512", 64},
};

std::size_t index_of(Algorithm algorithm) {
    for (std::size_t i = 0; i < kKnown.size(); ++i)
        if (kKnown[i].algorithm == algorithm) return i;
    std::abort();
}

/// Fetched once: OpenSSL 3 looks an algorithm up by name each time it is not.
const EVP_MD* evp(Algorithm algorithm) {
    static const auto fetched = [] {
        std::array<EVP_MD*, kKnown.size()> all{};
        for (std::size_t i = 0; i < all.size(); ++i)
            all[i] = EVP_MD_fetch(nullptr, kKnown[i].openssl_name, nullptr);
        return all;
    }();
    return fetched[index_of(algorithm)];
}

struct FreeContext {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

}  // namespace

std::string_view name_of(Algorithm algorithm) { return kKnown[index_of(algorithm)].name; }
std::size_t size_of(Algorithm algorithm) { return kKnown[index_of(algorithm)].size; }

std::optional<Algorithm> algorithm_named(std::string_view name) {
    for (const Known& known : kKnown)
        if (known.name == name) return known.algorithm;
    return std::nullopt;
}

std::optional<Algorithm> algorithm_of(std::uint16_t tpm_alg_id) {
    for (const Known& known : kKnown)
        if (static_cast<std::uint16_t>(known.algorithm) == tpm_alg_id) return known.algorithm;
    return std::nullopt;
}

bool Digest::operator==(const Digest& other) const {
    return std::ranges::equal(Bytes(*this), Bytes(other));
}

Digest hash(Algorithm algorithm, Bytes first, Bytes second) {
    // A context for each algorithm: one that changes its algorithm begins from nothing.
    thread_local std::array<std::unique_ptr<EVP_MD_CTX, FreeContext>, kKnown.size()> contexts;
    const std::size_t index = index_of(algorithm);
    Digest digest{.size = kKnown[index].size};
    const bool fresh = !contexts[index];
    if (fresh) contexts[index].reset(EVP_MD_CTX_new());
    EVP_MD_CTX* context = contexts[index].get();
    // These fail only where memory is gone or a FIPS provider refuses SHA-1: there is no proof to
    // be made then, and a wrong digest must not be handed on.
    if (EVP_DigestInit_ex2(context, fresh ? evp(algorithm) : nullptr, nullptr) != 1 ||
        EVP_DigestUpdate(context, first.data(), first.size()) != 1 ||
        (!second.empty() && EVP_DigestUpdate(context, second.data(), second.size()) != 1) ||
        EVP_DigestFinal_ex(context, digest.bytes.data(), nullptr) != 1)
        std::abort();
    return digest;
}

Sha256 sha256(Bytes bytes) {
    Sha256 digest;
    std::ranges::copy(Bytes(hash(Algorithm::kSha256, bytes)), digest.begin());
    return digest;
}

Digest filled(Algorithm algorithm, std::uint8_t value) {
    Digest digest{.size = size_of(algorithm)};
    std::fill_n(digest.bytes.begin(), digest.size, value);
    return digest;
}

std::string to_hex(Bytes bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text(2 * bytes.size(), '\0');
    char* to = text.data();
    for (const std::uint8_t byte : bytes) {
        *to++ = kDigits[byte >> 4];
        *to++ = kDigits[byte & 15];
    }
    return text;
}

}  // namespace keyscribe::base
