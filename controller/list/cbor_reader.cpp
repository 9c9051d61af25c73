// SPDX-License-Identifier: Apache-2.0
#include "controller/list/cbor_reader.h"

#include <algorithm>

#include "controller/base/utf8.h"

namespace keyscribe::list::cbor {
namespace {

constexpr unsigned kMaxDepth = 8;

struct Head {
    unsigned major;
    std::uint64_t argument;
};

/// RFC 8949, 3: the initial byte and its argument in the shortest form.
std::optional<Head> take_head(Bytes& rest) {
    if (rest.empty()) return std::nullopt;
    const unsigned major = rest[0] >> 5, info = rest[0] & 31;
    std::uint64_t argument = info;
    std::size_t size = 0;
    if (info >= 24) {
        if (info > 27 || major == 7) return std::nullopt;
        size = std::size_t{1} << (info - 24);
        if (rest.size() - 1 < size) return std::nullopt;
        argument = 0;
        for (const std::uint8_t byte : rest.subspan(1, size)) argument = argument << 8 | byte;
        if (argument < (size == 1 ? 24 : std::uint64_t{1} << (4 * size))) return std::nullopt;
    }
    rest = rest.subspan(1 + size);
    return Head{major, argument};
}

/// The bytewise order of encodings.
bool before(Bytes left, Bytes right) { return std::ranges::lexicographical_compare(left, right); }

std::optional<Item> take(Bytes& rest, unsigned depth);

/// `count` elements, or members, that lie at the beginning of `rest`.
bool skip_elements(Bytes& rest, std::uint64_t count, bool map, unsigned depth) {
    Bytes last;
    for (std::uint64_t i = 0; i < count; ++i) {
        const Bytes start = rest;
        if (!take(rest, depth)) return false;
        if (!map) continue;
        const Bytes key = start.first(start.size() - rest.size());
        if (key[0] >> 5 != 0 && key[0] >> 5 != 3) return false;
        if (i > 0 && !before(last, key)) return false;
        last = key;
        if (!take(rest, depth)) return false;
    }
    return true;
}

std::optional<Item> take(Bytes& rest, unsigned depth) {
    const auto head = take_head(rest);
    if (!head || depth > kMaxDepth) return std::nullopt;
    Item item{.number = head->argument};
    switch (head->major) {
        case 0:
            item.kind = Kind::kUint;
            return item;
        case 1:
            item.kind = Kind::kNegative;
            return item;
        case 2:
        case 3:
            if (head->argument > rest.size()) return std::nullopt;
            item.kind = head->major == 2 ? Kind::kBytes : Kind::kText;
            item.content = rest.first(static_cast<std::size_t>(head->argument));
            rest = rest.subspan(item.content.size());
            return item;
        case 4:
        case 5: {
            if (head->argument > rest.size()) return std::nullopt;
            item.kind = head->major == 4 ? Kind::kArray : Kind::kMap;
            const Bytes start = rest;
            if (!skip_elements(rest, head->argument, head->major == 5, depth + 1))
                return std::nullopt;
            item.content = start.first(start.size() - rest.size());
            return item;
        }
        case 7:
            if (head->argument != 20 && head->argument != 21) return std::nullopt;
            item.kind = head->argument == 21 ? Kind::kTrue : Kind::kFalse;
            return item;
        default:
            return std::nullopt;
    }
}

}  // namespace

std::optional<std::uint64_t> Item::uint() const {
    return kind == Kind::kUint ? std::optional(number) : std::nullopt;
}

std::optional<std::int64_t> Item::integer() const {
    if ((kind != Kind::kUint && kind != Kind::kNegative) || number > INT64_MAX) return std::nullopt;
    const auto value = static_cast<std::int64_t>(number);
    return kind == Kind::kUint ? value : -1 - value;
}

std::optional<Bytes> Item::bytes() const {
    return kind == Kind::kBytes ? std::optional(content) : std::nullopt;
}

std::optional<std::string_view> Item::text() const {
    if (kind != Kind::kText || !base::is_utf8(as_text(content))) return std::nullopt;
    return as_text(content);
}

std::optional<Item> parse(Bytes encoded) {
    const auto item = take(encoded, 0);
    return encoded.empty() ? item : std::nullopt;
}

Item next(Bytes& rest) {
    const auto item = take(rest, 0);
    return item ? *item : Item{};
}

std::optional<Map> Map::of(const Item& item) {
    if (item.kind != Kind::kMap || item.number > kMaxMembers) return std::nullopt;
    Map map;
    for (Bytes rest = item.content; !rest.empty(); ++map.size_) {
        const Item name = next(rest);
        if (name.kind != Kind::kText) return std::nullopt;
        map.members_[map.size_] = {as_text(name.content), next(rest)};
    }
    return map;
}

std::optional<Map> Map::parse(Bytes encoded) {
    const auto item = cbor::parse(encoded);
    return item ? of(*item) : std::nullopt;
}

std::optional<Item> Map::operator[](std::string_view key) const {
    for (std::size_t i = 0; i < size_; ++i)
        if (members_[i].first == key) return members_[i].second;
    return std::nullopt;
}

std::optional<std::uint64_t> Map::uint(std::string_view key) const {
    const auto item = (*this)[key];
    return item ? item->uint() : std::nullopt;
}

std::optional<std::int64_t> Map::integer(std::string_view key) const {
    const auto item = (*this)[key];
    return item ? item->integer() : std::nullopt;
}

std::optional<Bytes> Map::bytes(std::string_view key) const {
    const auto item = (*this)[key];
    return item ? item->bytes() : std::nullopt;
}

std::optional<std::string_view> Map::text(std::string_view key) const {
    const auto item = (*this)[key];
    return item ? item->text() : std::nullopt;
}

std::optional<std::string_view> Map::name(std::string_view key) const {
    const auto found = bytes(key);
    return found ? std::optional(as_text(*found)) : std::nullopt;
}

}  // namespace keyscribe::list::cbor
