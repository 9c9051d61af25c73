// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/paper.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace keyscribe::cli {
namespace {

/// Whether the byte begins a character of UTF-8.
bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }

/// UTF-8's first `columns` characters: a column each, as nothing wider is printed here.
std::size_t size_of_columns(std::string_view text, std::size_t columns) {
    std::size_t at = 0;
    for (; at < text.size(); ++at)
        if (begins_character(text[at]) && columns-- == 0) break;
    return at;
}

std::string cut(std::string text, std::size_t width) {
    if (size_of_columns(text, width) == text.size()) return text;
    text.resize(size_of_columns(text, width - 1));
    return text + "…";
}

}  // namespace

Paper paper_of_stdout() {
    Paper paper;
    if (::isatty(STDOUT_FILENO) == 0) return paper;
    winsize size{};
    paper.width =
        ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    if (const char* columns = std::getenv("COLUMNS"))
        if (const long asked = std::strtol(columns, nullptr, 10); asked > 0)
            paper.width = static_cast<std::size_t>(asked);
    paper.colour = std::getenv("NO_COLOR") == nullptr;
    return paper;
}

std::string in_columns(std::string_view text, std::size_t width) {
    std::string filled = cut(std::string(text), width);
    std::size_t columns = 0;
    for (const char byte : filled) columns += begins_character(byte) ? 1 : 0;
    filled.append(width - columns, ' ');
    return filled;
}

void print_line(const Paper& paper, std::string text, const char* colour) {
    if (paper.width != 0) text = cut(std::move(text), paper.width);
    if (paper.colour && *colour != '\0')
        fmt::print("\x1b[{}m{}\x1b[0m\n", colour, text);
    else
        fmt::print("{}\n", text);
}

}  // namespace keyscribe::cli
