// SPDX-License-Identifier: Apache-2.0
// Texts of others, in UTF-8: names in certificates, descriptions of keys, file names.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/error.h"

namespace keyscribe::base {

struct Character {
    char32_t code = 0;
    std::size_t size = 0;  ///< bytes
};

/// The character at the beginning of `text`, which is not empty, in its one UTF-8 form (Unicode 15,
/// table 3-7). Nothing where there is none.
std::optional<Character> first_character(std::string_view text);

/// Whether all of it is characters.
bool is_utf8(std::string_view text);

/// Whether a character is not seen as itself: control characters, directions, joiners, combining
/// marks, odd spaces.
bool is_unseen(char32_t code);

void append_utf8(std::string& text, char32_t code);

/// The first `bytes` of it at most, without a character cut in two.
std::string_view beginning(std::string_view text, std::size_t bytes);

/// `text`, at most `bytes` of it, with a '?' for each character that is not seen as itself, and for
/// each byte that is not UTF-8: safe in a terminal, and in a sentence.
std::string visible(std::string_view text, std::size_t bytes);

}  // namespace keyscribe::base
