// SPDX-License-Identifier: Apache-2.0
// Deterministic CBOR (RFC 8949, 4.2.1) read where it lies, as far as records need it: integers,
// strings, arrays, maps with texts or numbers as keys, true and false. Eight levels deep at most;
// that texts are UTF-8 is not checked.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "controller/base/digest.h"

namespace keyscribe::list::cbor {

enum class Kind { kUint, kNegative, kBytes, kText, kArray, kMap, kTrue, kFalse };

struct Item {
    Kind kind = Kind::kFalse;
    std::uint64_t number = 0;  ///< kUint: it; kNegative: -1 - it; kArray, kMap: elements, members
    Bytes content;             ///< of strings: their bytes; of arrays and maps: their elements

    std::optional<std::uint64_t> uint() const;
    std::optional<std::int64_t> integer() const;
    std::optional<Bytes> bytes() const;
    /// Nothing where it is not UTF-8 either (RFC 8949, 3.1).
    std::optional<std::string_view> text() const;
};

/// `encoded` is one item from end to end, with all in it in its deterministic form.
std::optional<Item> parse(Bytes encoded);

/// The item at the beginning of `rest`, which is then behind it. Only for what parse() accepted.
Item next(Bytes& rest);

/// A map with texts as keys, for looking members up.
class Map {
  public:
    static constexpr std::size_t kMaxMembers = 40;

    /// Nothing where it is no such map, or has more members than any record.
    static std::optional<Map> of(const Item& item);
    static std::optional<Map> parse(Bytes encoded);

    std::optional<Item> operator[](std::string_view key) const;
    std::optional<std::uint64_t> uint(std::string_view key) const;
    std::optional<std::int64_t> integer(std::string_view key) const;
    std::optional<Bytes> bytes(std::string_view key) const;
    std::optional<std::string_view> text(std::string_view key) const;
    /// A byte string, as a view of letters: names that the kernel gives are in no known encoding.
    std::optional<std::string_view> name(std::string_view key) const;

    std::size_t size() const { return size_; }
    const std::pair<std::string_view, Item>& at(std::size_t i) const { return members_[i]; }

  private:
    std::size_t size_ = 0;
    std::array<std::pair<std::string_view, Item>, kMaxMembers> members_;
};

}  // namespace keyscribe::list::cbor
