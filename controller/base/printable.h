// SPDX-License-Identifier: Apache-2.0
// How bytes of others' (file names, key descriptions, boot ids) are shown to a person.
#pragma once

#include <string>
#include <string_view>

namespace keyscribe::base {

/// Longest piece of foreign text in a sentence, in bytes: NAME_MAX is 255.
inline constexpr std::size_t kShownBytes = 256;

/// `text` on one line and safe for a terminal: letters of UTF-8 stay; a control character (C0, DEL,
/// C1), a mark that changes the direction of text or that cannot be seen, and a byte that is not
/// UTF-8 become \xNN, a backslash becomes two. What is beyond `limit` bytes is cut and "..." added.
std::string printable(std::string_view text, std::size_t limit = kShownBytes);

}  // namespace keyscribe::base
