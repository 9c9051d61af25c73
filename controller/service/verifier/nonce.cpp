// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/nonce.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "controller/base/little_endian.h"

namespace keyscribe::verifier {

namespace {
constexpr std::size_t kHead = 16;
}

std::array<std::uint8_t, 16> NonceMaker::mac(Bytes head) const {
    std::array<std::uint8_t, EVP_MAX_MD_SIZE> whole{};
    unsigned size = 0;
    ::HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()), head.data(), head.size(),
           whole.data(), &size);
    std::array<std::uint8_t, 16> half{};
    std::copy_n(whole.begin(), half.size(), half.begin());
    return half;
}

Nonce NonceMaker::make(std::int64_t time) const {
    Nonce nonce = random_bytes();
    for (int i = 0; i < 4; ++i)
        nonce[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(time >> (24 - 8 * i));
    std::ranges::copy(mac(Bytes(nonce).first(kHead)), nonce.begin() + kHead);
    return nonce;
}

std::optional<std::int64_t> NonceMaker::time_of(Bytes nonce) const {
    if (nonce.size() != sizeof(Nonce)) return std::nullopt;
    const auto right = mac(nonce.first(kHead));
    if (CRYPTO_memcmp(right.data(), nonce.data() + kHead, right.size()) != 0) return std::nullopt;
    return load_be32(nonce.data());
}

bool NonceMaker::is_good(Bytes nonce, std::int64_t time) const {
    const auto given = time_of(nonce);
    return given && *given <= time + kClockSkew && time <= *given + kNonceLife;
}

}  // namespace keyscribe::verifier
