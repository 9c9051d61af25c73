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

/// The fields behind d-ng and n-ng; nothing for a template that is not known.
std::optional<std::size_t> fields_behind(std::string_view name) {
    if (name == "ima-buf" || name == "ima-sig" || name == "ima-sigv2") return 1;
    if (name == "ima-ng" || name == "ima-ngv2") return 0;
    if (name == "ima-modsig") return 3;  // sig|d-modsig|modsig
    return std::nullopt;
}

/// d-ng "sha256:" NUL digest; d-ngv2 "ima:sha256:" NUL digest.
bool take_digest(Bytes field, bool typed, TemplateFields& fields) {
    const auto end = std::ranges::find(field, std::uint8_t{0});
    if (end == field.end()) return false;
    const std::size_t size = static_cast<std::size_t>(end - field.begin());
    std::string_view prefix = as_text(field.first(size));
    if (!prefix.ends_with(':')) return false;
    prefix.remove_suffix(1);
    if (typed) {
        const auto colon = prefix.find(':');
        if (colon == prefix.npos) return false;
        fields.type = prefix.substr(0, colon);
        prefix.remove_prefix(colon + 1);
    }
    if (prefix.find(':') != prefix.npos) return false;
    fields.algorithm = prefix;
    fields.digest = field.subspan(size + 1);
    return true;
}

/// The template "ima": SHA-1, 32-bit length, name.
bool take_legacy(Bytes data, TemplateFields& fields) {
    if (data.size() < 24) return false;
    fields.algorithm = "sha1";
    fields.digest = data.first(20);
    Bytes rest = data.subspan(20);
    const auto name = take_field(rest);
    if (!name || !rest.empty()) return false;
    fields.name = as_text(*name);
    fields.name = fields.name.substr(0, fields.name.find('\0'));
    return true;
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
    TemplateFields fields;
    if (template_name == "ima") {
        if (!take_legacy(data, fields)) return refuse("its lengths do not add up");
        return fields;
    }
    const auto behind = fields_behind(template_name);
    if (!behind) return refuse("a template that is not known here");
    const auto digest = take_field(data);
    if (!digest) return refuse("the digest's length does not add up");
    if (!take_digest(*digest, template_name.ends_with("v2"), fields))
        return refuse("the digest names no algorithm");
    const auto name = take_field(data);
    if (!name) return refuse("the name's length does not add up");
    const auto end = std::ranges::find(*name, std::uint8_t{0});
    if (end == name->end() || end + 1 != name->end()) return refuse("the name ends without a NUL");
    fields.name = as_text(name->first(name->size() - 1));
    for (; fields.count < *behind; ++fields.count) {
        const auto field = take_field(data);
        if (!field) return refuse("the third field's length does not add up");
        fields.more[fields.count] = *field;
    }
    if (!data.empty()) return refuse("bytes behind the last field");
    return fields;
}

}  // namespace keyscribe::list
