// SPDX-License-Identifier: Apache-2.0
#include "policy/diagnostic.h"

#include <algorithm>

#include "policy/text.h"

namespace keyscribe::policy {
namespace {

constexpr std::string_view kIndent = "    ";
// Of a long line this much is shown before and behind the caret.
constexpr std::size_t kShownBefore = 40;
constexpr std::size_t kShownBehind = 60;

/// As escape(), but a tab is a blank: the caret below must stand where it belongs.
std::string shown(std::string_view text) {
    std::string blanks(text);
    std::ranges::replace(blanks, '\t', ' ');
    return escape(blanks);
}

}  // namespace

Diagnostic diagnose(std::string_view file, std::size_t number, std::string_view line,
                    Finding finding) {
    const std::size_t at = std::min(std::max<std::size_t>(finding.column, 1) - 1, line.size());
    const std::size_t begin = at > kShownBefore + 3 ? at - kShownBefore : 0;
    const std::size_t end = line.size() - at > kShownBehind + 3 ? at + kShownBehind : line.size();

    const std::string before = (begin > 0 ? "..." : "") + shown(line.substr(begin, at - begin));
    const std::string behind = shown(line.substr(at, end - at)) + (end < line.size() ? "..." : "");
    return {.file = std::string(file),
            .line = number,
            .column = finding.column,
            .message = std::move(finding.message),
            .expected = std::move(finding.expected),
            .excerpt = before + behind,
            .caret = width(before)};
}

std::string headline(const Diagnostic& diagnostic, std::string_view severity) {
    std::string text = escape(diagnostic.file);
    if (diagnostic.line > 0) text += ":" + std::to_string(diagnostic.line);
    if (diagnostic.column > 0) text += ":" + std::to_string(diagnostic.column);
    return text.append(": ").append(severity).append(": ") + diagnostic.message;
}

std::string to_string(const Diagnostic& diagnostic, std::string_view severity) {
    std::string text = headline(diagnostic, severity) + "\n";
    if (!diagnostic.excerpt.empty()) {
        text.append(kIndent).append(diagnostic.excerpt) += "\n";
        text.append(kIndent).append(diagnostic.caret, ' ') += "^\n";
    }
    if (!diagnostic.expected.empty())
        text.append(kIndent).append("expected ").append(diagnostic.expected) += "\n";
    return text;
}

std::string to_string(const Diagnostics& diagnostics) {
    std::string text;
    for (const Diagnostic& error : diagnostics.errors) text += to_string(error, "error");
    if (diagnostics.more > 0) text += "and " + std::to_string(diagnostics.more) + " more errors\n";
    return text;
}

}  // namespace keyscribe::policy
