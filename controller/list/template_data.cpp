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

std::optional<Bytes> take_field(Bytes& rest) {
    if (rest.size() < 4) return std::nullopt;
    const std::uint32_t length = load_le32(rest.data());
    if (length > rest.size() - 4) return std::nullopt;
    const Bytes field = rest.subspan(4, length);
    rest = rest.subspan(4 + std::size_t{length});
    return field;
}

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

Result<TemplateFields> decode_fields(std::string_view template_name, Bytes data) {
    const auto refuse = [&](std::string_view why) {
        return fail("template data of " + std::string(template_name) + ": " + std::string(why));
    };
    const bool three = template_name == "ima-buf" || template_name == "ima-sig";
    if (!three && template_name != "ima-ng") return refuse("a template that is not known here");

    TemplateFields fields;
    const auto digest = take_field(data);
    if (!digest) return refuse("the digest's length does not add up");
    const auto colon = std::ranges::find(*digest, std::uint8_t{':'});
    if (digest->end() - colon < 2 || colon[1] != 0) return refuse("the digest names no algorithm");
    fields.algorithm = as_text(digest->first(colon - digest->begin()));
    fields.digest = digest->subspan(colon - digest->begin() + 2);

    const auto name = take_field(data);
    if (!name) return refuse("the name's length does not add up");
    const auto end = std::ranges::find(*name, std::uint8_t{0});
    if (end == name->end() || end + 1 != name->end()) return refuse("the name ends without a NUL");
    fields.name = as_text(name->first(name->size() - 1));

    if (three) {
        fields.third = take_field(data);
        if (!fields.third) return refuse("the third field's length does not add up");
    }
    if (!data.empty()) return refuse("bytes behind the last field");
    return fields;
}

}  // namespace keyscribe::list
