// SPDX-License-Identifier: Apache-2.0
#include "policy/glob.h"

#include <cstdint>

#include "policy/text.h"

namespace keyscribe::policy {
namespace {

struct Element {
    std::size_t length = 1;  // in the pattern
    bool matches = false;
};

/// One byte of a set, perhaps escaped, at `at`, which moves behind it. False: the set ends first.
bool read_member(std::string_view pattern, std::size_t& at, std::uint8_t& member) {
    if (at < pattern.size() && pattern[at] == '\\') at++;
    if (at >= pattern.size()) return false;
    member = byte_at(pattern, at++);
    return true;
}

/// The set at the beginning of `pattern`, which begins with '['. Nothing: it has no end.
/// `reversed` says whether it has a range that is empty.
std::optional<Element> read_set(std::string_view pattern, std::uint8_t byte,
                                bool* reversed = nullptr) {
    std::size_t at = 1;
    const bool negated = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
    if (negated) at++;
    bool found = false;
    for (bool first = true; at < pattern.size(); first = false) {
        if (pattern[at] == ']' && !first) return Element{at + 1, found != negated};
        std::uint8_t low = 0;
        if (!read_member(pattern, at, low)) return std::nullopt;
        std::uint8_t high = low;
        if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
            at++;
            if (!read_member(pattern, at, high)) return std::nullopt;
        }
        if (low > high && reversed != nullptr) *reversed = true;
        if (byte >= low && byte <= high) found = true;
    }
    return std::nullopt;
}

/// The pattern's first element, which is not '*', against one byte.
Element read_element(std::string_view pattern, std::uint8_t byte) {
    if (pattern[0] == '?') return {1, true};
    if (pattern[0] == '\\' && pattern.size() > 1) return {2, byte_at(pattern, 1) == byte};
    if (pattern[0] == '[')
        if (const auto set = read_set(pattern, byte)) return *set;
    return {1, byte_at(pattern, 0) == byte};
}

}  // namespace

std::optional<GlobError> check_glob(std::string_view pattern) {
    for (std::size_t at = 0; at < pattern.size();) {
        if (pattern[at] == '\\' && at + 1 == pattern.size())
            return GlobError{at, "the glob ends in a backslash"};
        if (pattern[at] == '[') {
            bool reversed = false;
            const auto set = read_set(pattern.substr(at), 0, &reversed);
            if (!set) return GlobError{at, "'[' without its ']'"};
            if (reversed) return GlobError{at, "a range that ends before it begins"};
            at += set->length;
        } else {
            at += pattern[at] == '\\' ? 2 : 1;
        }
    }
    return std::nullopt;
}

bool glob_matches(std::string_view pattern, std::string_view text) {
    // Only the last '*' need ever be extended: what an earlier one could take, it can take too.
    std::optional<std::size_t> star;  // pattern behind the last '*'
    std::size_t star_text = 0;        // where the text behind what it took begins
    std::size_t p = 0;
    std::size_t t = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = ++p;
            star_text = t;
            continue;
        }
        if (p < pattern.size()) {
            const Element element = read_element(pattern.substr(p), byte_at(text, t));
            if (element.matches) {
                p += element.length;
                t++;
                continue;
            }
        }
        if (!star) return false;
        p = *star;
        t = ++star_text;
    }
    while (p < pattern.size() && pattern[p] == '*') p++;
    return p == pattern.size();
}

}  // namespace keyscribe::policy
