// SPDX-License-Identifier: Apache-2.0
// Digests by the TPM's names for them.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/error.h"

namespace keyscribe::base {

using Bytes = std::span<const std::uint8_t>;

/// Hash algorithms of PCR banks (TPM_ALG_ID, TPM 2.0 Library Part 2, 6.3).
enum class Algorithm : std::uint16_t {
    kSha1 = 0x0004,
    kSha256 = 0x000b,
    kSha384 = 0x000c,
    kSha512 = 0x000d,
};

/// "sha1", "sha256", ...: as IMA, evmctl and tpm2-tools write them.
std::string_view name_of(Algorithm algorithm);
std::optional<Algorithm> algorithm_named(std::string_view name);
std::optional<Algorithm> algorithm_of(std::uint16_t tpm_alg_id);
std::size_t size_of(Algorithm algorithm);

/// A digest of any of the algorithms, without an allocation.
struct Digest {
    std::array<std::uint8_t, 64> bytes{};
    std::size_t size = 0;

    operator Bytes() const { return {bytes.data(), size}; }
    bool operator==(const Digest& other) const;
};

/// The digest of `first` followed by `second`.
Digest hash(Algorithm algorithm, Bytes first, Bytes second = {});

using Sha256 = std::array<std::uint8_t, 32>;
Sha256 sha256(Bytes bytes);

/// `size` bytes of `value`: a PCR's start, or what a violation extends.
Digest filled(Algorithm algorithm, std::uint8_t value);

std::string to_hex(Bytes bytes);
/// Nothing where `text` is not pairs of hexadecimal digits.
template <class Buffer = std::vector<std::uint8_t>>
std::optional<Buffer> from_hex(std::string_view text) {
    if (text.size() % 2 != 0) return std::nullopt;
    Buffer bytes(text.size() / 2);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const char* at = text.data() + 2 * i;
        if (std::from_chars(at, at + 2, bytes[i], 16).ptr != at + 2) return std::nullopt;
    }
    return bytes;
}

inline std::string_view as_text(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline Bytes as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace keyscribe::base
