// SPDX-License-Identifier: Apache-2.0
// How bytes of others' (file names, key descriptions, boot ids) are shown to a person.
#pragma once

#include <string>
#include <string_view>

namespace keyscribe::base {

/// `name` on one line and safe for a terminal: characters of UTF-8 as they are; controls, a
/// backslash, marks that cannot be seen or that change the direction of text, and bytes that are no
/// UTF-8 as \OOO. What is behind `limit` bytes is cut, and "..." stands in its place.
std::string printable(std::string_view name, std::size_t limit = std::string_view::npos);

/// A message, line by line as printable() has each; a backslash stays: it is of an escape by now.
std::string printable_lines(std::string_view text);

}  // namespace keyscribe::base
