// SPDX-License-Identifier: Apache-2.0
#include "controller/host/spool/frame.h"

#include <cstddef>
#include <cstring>

#include "controller/host/spool/crc32.h"

namespace keyscribe::spool {
namespace {

constexpr std::uint32_t kMagic = 0x4650534b;  // "KSPF"

std::uint64_t check_of(FrameHeader header, const base::SipKey& secret) {
    header.check = 0;
    return base::siphash(secret, {reinterpret_cast<const std::uint8_t*>(&header), sizeof(header)});
}

}  // namespace

std::size_t append_frame(WipedBytes& to, FrameHeader header, std::span<const std::uint8_t> content,
                         const base::SipKey& secret) {
    header.magic = kMagic;
    header.length = static_cast<std::uint32_t>(content.size());
    const std::size_t before = to.size();
    to.resize(before + header.size());
    const auto frame = std::span(to).subspan(before);
    if (!content.empty())
        std::memcpy(frame.data() + sizeof(header), content.data(), content.size());
    header.crc = crc32(frame.subspan(sizeof(header)));
    header.check = check_of(header, secret);
    std::memcpy(frame.data(), &header, sizeof(header));
    return frame.size();
}

std::optional<FrameHeader> header_in(std::span<const std::uint8_t> bytes,
                                     const base::SipKey& secret) {
    FrameHeader header;
    if (bytes.size() < sizeof(header)) return std::nullopt;
    std::memcpy(&header, bytes.data(), sizeof(header));
    if (header.magic != kMagic || check_of(header, secret) != header.check) return std::nullopt;
    return header;
}

std::optional<FrameHeader> repair_header(std::span<std::uint8_t> bytes,
                                         const base::SipKey& secret) {
    if (bytes.size() < sizeof(FrameHeader)) return std::nullopt;
    for (std::size_t bit = 0; bit < 8 * sizeof(FrameHeader); ++bit) {
        const auto mask = static_cast<std::uint8_t>(1u << bit % 8);
        bytes[bit / 8] ^= mask;
        if (const auto header = header_in(bytes, secret)) return header;
        bytes[bit / 8] ^= mask;
    }
    return std::nullopt;
}

Content check_content(const FrameHeader& header, std::span<std::uint8_t> frame) {
    const auto content = frame.subspan(sizeof(header), header.padded_length());
    const std::uint32_t difference = crc32(content) ^ header.crc;
    if (difference == 0) return Content::kWhole;
    return correct_one_bit(content, difference) ? Content::kRepaired : Content::kDestroyed;
}

}  // namespace keyscribe::spool
