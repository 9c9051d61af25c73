// SPDX-License-Identifier: Apache-2.0
#include "controller/list/template_data.h"

#include <algorithm>
#include <array>

#include "controller/base/little_endian.h"

namespace keyscribe::list {
namespace {

class Encoder {
  public:
    explicit Encoder(std::size_t size) { data_.reserve(size); }
    void length(std::size_t value) {
        std::array<std::uint8_t, 4> bytes;
        store_le32(bytes.data(), static_cast<std::uint32_t>(value));
        append(bytes);
    }
    void append(Bytes bytes) { data_.insert(data_.end(), bytes.begin(), bytes.end()); }
    void digest(Algorithm algorithm, Bytes digest) {
        const std::string_view name = name_of(algorithm);
        length(name.size() + 2 + digest.size());
        append(as_bytes(name));
        append(std::array<std::uint8_t, 2>{':', 0});
        append(digest);
    }
    void name(std::string_view text) {
        length(text.size() + 1);
        append(as_bytes(text));
        append(std::array<std::uint8_t, 1>{0});
    }
    WipedBytes take() { return std::move(data_); }

  private:
    WipedBytes data_;
};

}  // namespace

std::string ima_event_name(std::string_view name) {
    std::string written(name);
    std::ranges::replace(written, ' ', '_');
    return written;
}

WipedBytes encode_ima_buf(std::string_view name, Bytes buf) {
    Encoder encoder(64 + name.size() + buf.size());
    encoder.digest(Algorithm::kSha256, hash(Algorithm::kSha256, buf));
    encoder.name(name);
    encoder.length(buf.size());
    encoder.append(buf);
    return encoder.take();
}

WipedBytes encode_ima_ng(Algorithm algorithm, Bytes digest, std::string_view name) {
    Encoder encoder(64 + name.size() + digest.size());
    encoder.digest(algorithm, digest);
    encoder.name(name);
    return encoder.take();
}

}  // namespace keyscribe::list
