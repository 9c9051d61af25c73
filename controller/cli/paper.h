// SPDX-License-Identifier: Apache-2.0
// What is printed for people: cut to the terminal's width and in colour there, whole and plain in a
// pipe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace keyscribe::cli {

struct Paper {
    std::size_t width = 0;  ///< columns; 0: as wide as it takes
    bool colour = false;
};

/// The standard output. COLUMNS has its width, where that is set, and with NO_COLOR it has no
/// colour (no-color.org).
Paper paper_of_stdout();

/// `text` as UTF-8, cut to the width, or filled with spaces up to it. A character is one column.
std::string in_columns(std::string_view text, std::size_t width);

/// A line. `colour`: the parameters of the terminal's SGR sequence (ECMA-48), as "1;34"; or "".
void print_line(const Paper& paper, std::string text, const char* colour);

}  // namespace keyscribe::cli
