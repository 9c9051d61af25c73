// SPDX-License-Identifier: Apache-2.0
// JSON (RFC 8259) read in one pass, without a tree, as far as evidence needs it: objects, arrays,
// strings, whole numbers. A tree of 64 MiB of JSON takes a GiB, and its parser's buffers twice the
// longest string; here nothing is copied but what the caller keeps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/base64.h"
#include "controller/base/digest.h"
#include "controller/base/printable.h"

namespace keyscribe::evidence {

/// Remembers the first thing that is wrong, as list::CborReader does. What it gives after that is
/// empty, so that the caller need ask only once, at the end. `where` of an error is the member.
class JsonReader {
  public:
    explicit JsonReader(Bytes input) : rest_(as_text(input)) {}

    /// An object: calls `read(key)` for each member, which is false for a key that is not known.
    /// No key may stand twice.
    template <class Read>
    void members(Read read) {
        std::vector<std::string> seen;  // keys that are known, so few
        list('{', '}', [&] {
            std::string key = text(kMaxKey);
            expect(':');
            if (error_) return;
            for (const std::string& other : seen)
                if (other == key) return refuse("a member that stands twice: \"" + key + '"');
            const std::size_t outside = path_.size();
            path_ += (outside == 0 ? "" : ".") + printable(key);
            if (!read(std::string_view(key))) refuse("a member that is not known");
            if (!error_) path_.resize(outside);
            seen.push_back(std::move(key));
        });
    }

    /// An array: calls `read()` for each element.
    template <class Read>
    void elements(Read read) {
        list('[', ']', read);
    }

    std::uint64_t uint();
    /// At most `limit` bytes.
    std::string text(std::size_t limit);
    /// A string in Base64.
    std::vector<std::uint8_t> base64();

    void refuse(std::string why) {
        if (!error_) error_ = Error{std::move(why), path_.empty() ? "JSON" : path_, {}};
    }
    /// Error unless nothing but blanks is left.
    void finish();
    const std::optional<Error>& error() const { return error_; }

  private:
    static constexpr std::size_t kMaxKey = 64;

    template <class Read>
    void list(char open, char close, Read read) {
        expect(open);
        if (error_ || take(close)) return;
        do read();
        while (!error_ && take(','));
        expect(close);
    }
    void skip_blanks();
    /// Whether `letter` is next; then it is taken.
    bool take(char letter);
    void expect(char letter);
    /// What stands between two quotation marks, as it stands there.
    std::string_view raw_string();
    std::string unescaped(std::string_view raw);
    std::optional<char32_t> unescape_unicode(std::string_view& raw);

    std::string_view rest_;
    std::string path_;  // of the member that is being read
    std::optional<Error> error_;
};

}  // namespace keyscribe::evidence
