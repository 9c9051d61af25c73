// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/compressed.h"

#include <zlib.h>

#include <array>

#include "controller/base/base64.h"

namespace keyscribe::verifier {

std::string compressed(Bytes bytes) {
    uLongf size = ::compressBound(bytes.size());
    std::vector<std::uint8_t> packed(size);
    // Level 1: a list's certificates hardly shrink further, and level 6 takes three times as long.
    ::compress2(packed.data(), &size, bytes.data(), bytes.size(), 1);
    return base::to_base64(Bytes(packed).first(size));
}

bool decompress(std::string_view text, std::vector<std::uint8_t>& to) {
    auto packed = base::from_base64(text);
    z_stream stream{};
    if (!packed || ::inflateInit(&stream) != Z_OK) return false;
    stream.next_in = packed->data();
    stream.avail_in = static_cast<uInt>(packed->size());
    std::array<std::uint8_t, 32768> buffer;
    int status = Z_OK;
    while (status == Z_OK) {
        stream.next_out = buffer.data();
        stream.avail_out = buffer.size();
        status = ::inflate(&stream, Z_NO_FLUSH);
        to.insert(to.end(), buffer.begin(), buffer.end() - stream.avail_out);
    }
    ::inflateEnd(&stream);
    return status == Z_STREAM_END && stream.avail_in == 0;
}

}  // namespace keyscribe::verifier
