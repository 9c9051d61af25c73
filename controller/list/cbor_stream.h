// SPDX-License-Identifier: Apache-2.0
// Deterministic CBOR (RFC 8949, 4.2.1) written and read in one pass, without a tree: for what may
// hold hundreds of MiB, or has numbers as keys. For records see cbor.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::list {

/// RFC 8949, 3.1: the major types that are needed.
enum class CborType : std::uint8_t {
    kUint = 0,
    kNegative = 1,  ///< the argument is -1 - value
    kBytes = 2,
    kText = 3,
    kArray = 4,
    kMap = 5,
    kSimple = 7,  ///< 20 false, 21 true, 22 null
};

class CborWriter {
  public:
    /// `size`: bytes that are expected.
    explicit CborWriter(std::size_t size) { bytes_.reserve(size); }
    void head(CborType type, std::uint64_t argument) {
        const auto first = static_cast<std::uint8_t>(static_cast<unsigned>(type) << 5);
        if (argument < 24) return bytes_.push_back(first | static_cast<std::uint8_t>(argument));
        const unsigned log = argument <= 0xff ? 0 : argument <= 0xffff ? 1 : argument >> 32 ? 3 : 2;
        bytes_.push_back(first | static_cast<std::uint8_t>(24 + log));
        for (int shift = (8 << log) - 8; shift >= 0; shift -= 8)
            bytes_.push_back(static_cast<std::uint8_t>(argument >> shift));
    }
    void text(std::string_view text) {
        head(CborType::kText, text.size());
        bytes_.insert(bytes_.end(), text.begin(), text.end());
    }
    void bytes(Bytes bytes) {
        head(CborType::kBytes, bytes.size());
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }
    void member(std::string_view key, std::uint64_t value) {
        text(key), head(CborType::kUint, value);
    }
    void member(std::string_view key, std::string_view value) { text(key), text(value); }
    void member(std::string_view key, Bytes value) { text(key), bytes(value); }
    std::vector<std::uint8_t> take() { return std::move(bytes_); }

  private:
    std::vector<std::uint8_t> bytes_;
};

/// Reads CBOR in its deterministic form and remembers the first thing that is wrong. What it gives
/// after that is empty, so that the caller need ask only once, at the end.
class CborReader {
  public:
    explicit CborReader(Bytes input) : input_(input) {}

    std::uint64_t uint() { return head(CborType::kUint); }
    std::uint64_t array() { return head(CborType::kArray); }
    std::uint64_t map() { return head(CborType::kMap); }
    Bytes bytes(std::size_t limit) { return take(head(CborType::kBytes), limit); }
    std::string_view text(std::size_t limit) {
        const Bytes taken = take(head(CborType::kText), limit);
        return {reinterpret_cast<const char*>(taken.data()), taken.size()};
    }

    /// The next number is this one: a key that is expected.
    void key(std::uint64_t expected) {
        if (uint() != expected) refuse("a member that is not expected here");
    }

    /// A map with texts as keys, in order: calls `read(key)` for each, which is false for a key
    /// that is not known.
    template <class Read>
    void members(Read read) {
        const std::uint64_t size = map();
        std::string_view last;
        for (std::uint64_t i = 0; i < size && !error_; ++i) {
            const std::string_view key = text(kMaxKey);
            if (last.size() != key.size() ? last.size() > key.size() : last >= key)
                refuse("a map whose keys are not in order");
            last = key;
            if (!error_ && !read(key))
                refuse("a member that is not known: \"" + escaped(key) + '"');
        }
    }

    void refuse(std::string why) {
        if (!error_) error_ = Error{std::move(why), "byte " + std::to_string(offset_), {}};
    }
    bool at_end() const { return offset_ == input_.size(); }
    const std::optional<Error>& error() const { return error_; }

  private:
    static std::string escaped(std::string_view key) {
        std::string text(key);
        for (char& letter : text)
            if (letter < ' ' || letter > '~') letter = '?';
        return text;
    }
    std::uint64_t head(CborType type) {
        if (error_) return 0;
        if (at_end()) return refuse("cut short"), 0;
        const std::uint8_t first = input_[offset_];
        if (first >> 5 != static_cast<unsigned>(type))
            return refuse("an item of another type than expected"), 0;
        const unsigned info = first & 31;
        if (info < 24) return ++offset_, info;
        if (info > 27) return refuse("an indefinite or reserved length"), 0;
        const std::size_t size = std::size_t{1} << (info - 24);
        if (input_.size() - offset_ - 1 < size) return refuse("cut short"), 0;
        std::uint64_t argument = 0;
        for (const std::uint8_t byte : input_.subspan(offset_ + 1, size))
            argument = argument << 8 | byte;
        const std::uint64_t least = size == 1 ? 24 : std::uint64_t{1} << (4 * size);
        if (argument < least) return refuse("a number that is not in its shortest form"), 0;
        offset_ += 1 + size;
        return argument;
    }
    Bytes take(std::uint64_t size, std::size_t limit) {
        if (error_) return {};
        if (size > input_.size() - offset_) return refuse("cut short"), Bytes();
        if (size > limit) return refuse("longer than allowed"), Bytes();
        const Bytes taken = input_.subspan(offset_, static_cast<std::size_t>(size));
        offset_ += taken.size();
        return taken;
    }

    static constexpr std::size_t kMaxKey = 64;
    Bytes input_;
    std::size_t offset_ = 0;
    std::optional<Error> error_;
};

}  // namespace keyscribe::list
