// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/nonce.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <chrono>

namespace keyscribe::verifier {

namespace {
constexpr std::size_t kTime = 6, kHead = 16;
}

std::int64_t now_ms() {
    using std::chrono::system_clock, std::chrono::milliseconds;
    return std::chrono::duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
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
    for (std::size_t i = 0; i < kTime; ++i)
        nonce[i] = static_cast<std::uint8_t>(time >> (8 * (kTime - 1 - i)));
    std::ranges::copy(mac(Bytes(nonce).first(kHead)), nonce.begin() + kHead);
    return nonce;
}

std::optional<std::int64_t> NonceMaker::time_of(Bytes nonce) const {
    if (nonce.size() != sizeof(Nonce)) return std::nullopt;
    const auto right = mac(nonce.first(kHead));
    if (CRYPTO_memcmp(right.data(), nonce.data() + kHead, right.size()) != 0) return std::nullopt;
    std::int64_t time = 0;
    for (const std::uint8_t byte : nonce.first(kTime)) time = time << 8 | byte;
    return time;
}

bool NonceMaker::is_good(Bytes nonce, std::int64_t time) const {
    const auto given = time_of(nonce);
    return given && *given <= time + kClockSkew && time <= *given + kNonceLife;
}

}  // namespace keyscribe::verifier
