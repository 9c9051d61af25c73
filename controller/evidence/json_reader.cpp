// SPDX-License-Identifier: Apache-2.0
#include "controller/evidence/json_reader.h"

#include <algorithm>
#include <charconv>

namespace keyscribe::evidence {
namespace {

void append_utf8(std::string& to, char32_t letter) {
    const auto byte = [&to](char32_t value) { to += static_cast<char>(value); };
    if (letter < 0x80) return byte(letter);
    if (letter < 0x800) {
        byte(0xc0 | letter >> 6);
    } else {
        if (letter < 0x10000) {
            byte(0xe0 | letter >> 12);
        } else {
            byte(0xf0 | letter >> 18);
            byte(0x80 | (letter >> 12 & 0x3f));
        }
        byte(0x80 | (letter >> 6 & 0x3f));
    }
    byte(0x80 | (letter & 0x3f));
}

/// \uXXXX; `raw` is behind "\u".
std::optional<char32_t> take_hex(std::string_view& raw) {
    unsigned value = 0;
    if (raw.size() < 4) return std::nullopt;
    const auto read = std::from_chars(raw.data(), raw.data() + 4, value, 16);
    if (read.ec != std::errc() || read.ptr != raw.data() + 4) return std::nullopt;
    raw.remove_prefix(4);
    return value;
}

}  // namespace

void JsonReader::skip_blanks() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
}

bool JsonReader::take(char letter) {
    if (error_) return false;
    skip_blanks();
    if (rest_.empty() || rest_[0] != letter) return false;
    rest_.remove_prefix(1);
    return true;
}

void JsonReader::expect(char letter) {
    if (!take(letter))
        refuse(rest_.empty() ? "cut short" : std::string("expected is '") + letter + '\'');
}

std::uint64_t JsonReader::uint() {
    if (error_) return 0;
    skip_blanks();
    std::uint64_t value = 0;
    const auto read = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    const auto size = static_cast<std::size_t>(read.ptr - rest_.data());
    const bool longer = size < rest_.size() && std::string_view(".eE").contains(rest_[size]);
    if (read.ec != std::errc() || longer || (size > 1 && rest_[0] == '0'))
        return refuse("not a whole number from 0"), 0;
    rest_.remove_prefix(size);
    return value;
}

std::string_view JsonReader::raw_string() {
    if (!take('"')) return refuse("not a string"), std::string_view();
    std::size_t end = 0;
    for (;; ++end) {
        end = rest_.find_first_of("\"\\", end);
        if (end == rest_.npos) return refuse("cut short"), std::string_view();
        if (rest_[end] == '"') break;
        ++end;  // what is escaped
    }
    const std::string_view raw = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return raw;
}

std::optional<char32_t> JsonReader::unescape_unicode(std::string_view& raw) {
    auto letter = take_hex(raw);
    if (!letter || *letter < 0xd800 || *letter > 0xdfff) return letter;
    if (*letter > 0xdbff || !raw.starts_with("\\u")) return std::nullopt;
    raw.remove_prefix(2);
    const auto low = take_hex(raw);
    if (!low || *low < 0xdc00 || *low > 0xdfff) return std::nullopt;
    return 0x10000 + ((*letter - 0xd800) << 10) + (*low - 0xdc00);
}

std::string JsonReader::unescaped(std::string_view raw) {
    constexpr std::string_view kEscapes = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
    std::string text;
    while (!raw.empty()) {
        const char letter = raw[0];
        raw.remove_prefix(1);
        if (static_cast<unsigned char>(letter) < ' ')
            return refuse("a control character in a string"), std::string();
        if (letter != '\\') {
            text += letter;
            continue;
        }
        const char escape = raw.empty() ? '\0' : raw[0];
        raw.remove_prefix(std::min<std::size_t>(1, raw.size()));
        const auto meant = kEscapes.find(escape);
        const auto unicode = escape == 'u' ? unescape_unicode(raw) : std::nullopt;
        if (unicode)
            append_utf8(text, *unicode);
        else if (meant != kEscapes.npos)
            text += kMeant[meant];
        else
            return refuse("an escape that JSON does not have"), std::string();
    }
    return text;
}

std::string JsonReader::text(std::size_t limit) {
    const std::string_view raw = raw_string();
    // Six letters are the longest for one byte: \u0041.
    if (raw.size() > 6 * limit) return refuse("longer than allowed"), std::string();
    std::string text = unescaped(raw);
    if (text.size() > limit) return refuse("longer than allowed"), std::string();
    return text;
}

std::vector<std::uint8_t> JsonReader::base64() {
    const std::string_view raw = raw_string();
    if (error_) return {};
    // Some writers escape '/'.
    auto bytes = raw.contains('\\') ? from_base64(unescaped(raw)) : from_base64(raw);
    if (!bytes) return refuse("not Base64"), std::vector<std::uint8_t>();
    return std::move(*bytes);
}

void JsonReader::finish() {
    skip_blanks();
    if (!rest_.empty()) refuse("something behind its end");
}

}  // namespace keyscribe::evidence
