// SPDX-License-Identifier: Apache-2.0
// From a policy file to lines and words. Words are separated by blanks and tabs, as in IMA's
// policy; only desc= can have a value in double quotes, which then may contain them.
#pragma once

#include <cstddef>
#include <expected>
#include <string_view>
#include <vector>

#include "policy/diagnostic.h"

namespace keyscribe::policy {

struct Word {
    std::string_view text;   ///< quotes included
    std::size_t column = 0;  ///< from 1, in bytes
};

/// The lines of a text, without their newlines. A last line without a newline is a line.
std::vector<std::string_view> split_lines(std::string_view text);

/// The words of a line; none where it is empty or a comment. A comment behind a rule is the last
/// word, from its "#" on. Views into `line`.
std::expected<std::vector<Word>, Finding> split_words(std::string_view line);

}  // namespace keyscribe::policy
