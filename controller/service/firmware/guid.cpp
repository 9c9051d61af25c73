// SPDX-License-Identifier: Apache-2.0
#include "controller/service/firmware/guid.h"

#include <algorithm>

namespace keyscribe::firmware {
namespace {

/// The first three numbers are little-endian in memory: where the text's bytes lie.
constexpr std::array<std::size_t, 16> kPlaces{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
constexpr std::array<std::size_t, 4> kDashes{8, 13, 18, 23};

}  // namespace

std::optional<GuidBytes> guid_of_text(std::string_view text) {
    if (text.size() != 36) return std::nullopt;
    std::string hex;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = std::ranges::find(kDashes, i) != kDashes.end();
        if (dash != (text[i] == '-')) return std::nullopt;
        if (!dash) hex += text[i];
    }
    const auto bytes = from_hex(hex);
    if (!bytes) return std::nullopt;
    GuidBytes guid;
    for (std::size_t i = 0; i < guid.size(); ++i) guid[kPlaces[i]] = (*bytes)[i];
    return guid;
}

std::string text_of_guid(Bytes guid) {
    GuidBytes ordered;
    for (std::size_t i = 0; i < ordered.size(); ++i) ordered[i] = guid[kPlaces[i]];
    std::string text = to_hex(ordered);
    for (const std::size_t dash : kDashes) text.insert(dash, "-");
    return text;
}

}  // namespace keyscribe::firmware
