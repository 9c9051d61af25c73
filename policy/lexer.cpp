// SPDX-License-Identifier: Apache-2.0
#include "policy/lexer.h"

#include <algorithm>

#include "policy/limits.h"
#include "policy/text.h"

namespace keyscribe::policy {
namespace {

constexpr std::string_view kBlanks = " \t";
constexpr std::string_view kQuotable = "desc=\"";

std::unexpected<Finding> error_at(std::size_t offset, std::string message,
                                  std::string expected = {}) {
    return std::unexpected(Finding{offset + 1, std::move(message), std::move(expected)});
}

bool is_control(char c) {
    return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7f';
}

/// Offset behind the quote that ends the value; `begin` is behind the one that opened it.
std::expected<std::size_t, Finding> end_of_quoted(std::string_view line, std::size_t begin) {
    std::size_t at = begin;
    while (at < line.size() && line[at] != '"') at += line[at] == '\\' ? 2 : 1;
    if (at >= line.size()) return error_at(begin - 1, "a quote without its end", "'\"'");
    at++;
    if (at < line.size() && !kBlanks.contains(line[at]))
        return error_at(at, "text directly behind the closing quote", "a blank or the line's end");
    return at;
}

}  // namespace

std::vector<std::string_view> split_lines(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        lines.push_back(text.substr(0, end));
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + 1);
    }
    return lines;
}

std::expected<std::vector<Word>, Finding> split_words(std::string_view line) {
    std::vector<Word> words;
    if (line.size() > kMaxLineBytes)
        return error_at(kMaxLineBytes,
                        "the line is longer than " + std::to_string(kMaxLineBytes) + " bytes");
    if (const std::size_t nul = line.find('\0'); nul != std::string_view::npos)
        return error_at(nul, "a NUL byte", "text");
    std::size_t at = std::min(line.find_first_not_of(kBlanks), line.size());
    if (at < line.size() && line[at] == '#') return words;

    while (at < line.size()) {
        if (line[at] == '#') {
            words.push_back({line.substr(at), at + 1});
            break;
        }
        std::size_t end = std::min(line.find_first_of(kBlanks, at), line.size());
        if (line.substr(at).starts_with(kQuotable)) {
            const auto quoted = end_of_quoted(line, at + kQuotable.size());
            if (!quoted) return std::unexpected(quoted.error());
            end = *quoted;
        }
        const Word word{line.substr(at, end - at), at + 1};
        if (const auto control = std::ranges::find_if(word.text, is_control);
            control != word.text.end())
            return error_at(static_cast<std::size_t>(control - line.begin()),
                            "the control character " + quote({control, control + 1}), "text");
        words.push_back(word);
        at = std::min(line.find_first_not_of(kBlanks, end), line.size());
    }
    return words;
}

}  // namespace keyscribe::policy
