// SPDX-License-Identifier: Apache-2.0
// A frame of the spool's file: a header, the content, zeros up to a multiple of eight.
//
// Contents are other people's bytes, and a death in the middle of a write leaves them without their
// end. So nothing in them may pass for a frame: a header is checked with a secret of the file's
// own, and covers the content's CRC. All numbers of a header that passes are the daemon's.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "controller/base/siphash.h"
#include "controller/base/wiped_bytes.h"
#include "controller/host/events/progress.h"

namespace keyscribe::spool {

struct FrameHeader {
    std::uint32_t magic = 0;
    std::uint32_t crc = 0;  // of the content, padding included
    std::uint64_t check = 0;
    std::uint64_t number = 0;
    std::uint32_t kind = 0;
    std::uint32_t length = 0;   // of the content
    events::Progress progress;  // with this frame

    std::size_t size() const { return sizeof(FrameHeader) + padded_length(); }
    std::size_t padded_length() const { return (std::size_t{length} + 7) & ~std::size_t{7}; }
};

/// Appends the frame to `to`; magic, crc, check and length of `header` are set here. Returns its
/// size.
std::size_t append_frame(WipedBytes& to, FrameHeader header, std::span<const std::uint8_t> content,
                         const base::SipKey& secret);

/// Returns the header that `bytes` begin with; nothing where there is none.
std::optional<FrameHeader> header_in(std::span<const std::uint8_t> bytes,
                                     const base::SipKey& secret);

/// As header_in(), where one bit of it is wrong: flips that bit back.
std::optional<FrameHeader> repair_header(std::span<std::uint8_t> bytes, const base::SipKey& secret);

enum class Content { kWhole, kRepaired, kDestroyed };
/// Looks at the content behind `header`, which is in `frame` to its end; flips back one wrong bit.
Content check_content(const FrameHeader& header, std::span<std::uint8_t> frame);

}  // namespace keyscribe::spool
