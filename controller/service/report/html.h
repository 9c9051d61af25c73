// SPDX-License-Identifier: Apache-2.0
// HTML in the making. Markup comes from literals alone, which the compiler sees to; every value is
// escaped on its way in, so that nothing of a host can become markup, or hide what it is.
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "controller/base/utf8.h"

namespace keyscribe::report {

/// Foreign bytes as text for an element or a quoted attribute. What has a meaning in HTML becomes a
/// character reference. What cannot be seen, or changes how its neighbours are seen (control
/// characters, directions, joiners, combining marks, odd spaces) and what is not UTF-8 is spelled
/// out: \x0a for a byte, \u{202e} for a character; a backslash is doubled.
std::string escape(std::string_view bytes);

class Html;

/// What stands in the markup for a value.
inline std::string slot(std::string_view text) { return escape(text); }
inline std::string_view slot(const Html& html);
template <std::integral Number>
    requires(!std::same_as<Number, bool> && !std::same_as<Number, char>)
Number slot(Number number) {
    return number;
}
template <class Value>
using Slot = decltype(slot(std::declval<const Value&>()));

class Html {
  public:
    /// Markup with a {} for each value: texts are escaped, numbers and other Html stand as they
    /// are.
    template <class... Values>
    void add(fmt::format_string<Slot<Values>...> markup, const Values&... values) {
        fmt::format_to(std::back_inserter(text_), markup, slot(values)...);
    }

    /// Markup in which braces mean nothing.
    struct Literal {
        template <std::size_t size>
        consteval Literal(const char (&literal)[size]) : text(literal, size - 1) {}
        std::string_view text;
    };
    static Html of(Literal literal) {
        Html html;
        html.text_ = literal.text;
        return html;
    }

    const std::string& text() const { return text_; }
    bool empty() const { return text_.empty(); }

  private:
    std::string text_;
};

inline std::string_view slot(const Html& html) { return html.text(); }

}  // namespace keyscribe::report
