// SPDX-License-Identifier: Apache-2.0
// What is wrong with a policy, and where.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace keyscribe::policy {

struct Diagnostic {
    std::string file;
    std::size_t line = 0;    ///< from 1; 0: the file as a whole
    std::size_t column = 0;  ///< from 1, in bytes; 0: the line or file as a whole
    std::string message;
    std::string expected;   ///< what would have been right; may be empty
    std::string excerpt;    ///< the line, or a part of it, safe to print; may be empty
    std::size_t caret = 0;  ///< characters of the excerpt before the caret
};

/// Why a policy was refused: at least one error.
struct Diagnostics {
    std::vector<Diagnostic> errors;
    std::size_t more = 0;  ///< further errors, not kept
};

/// What is wrong with a line: a diagnostic before it is known which line it is.
struct Finding {
    std::size_t column = 0;  ///< from 1, in bytes
    std::string message;
    std::string expected;  ///< may be empty
};

Diagnostic diagnose(std::string_view file, std::size_t number, std::string_view line,
                    Finding finding);

/// "file:line:column: severity: message", without a newline.
std::string headline(const Diagnostic& diagnostic, std::string_view severity);

/// The headline, the line with a caret below it, and what was expected: up to four lines, each
/// with its newline.
std::string to_string(const Diagnostic& diagnostic, std::string_view severity);

/// All errors, and how many more there were.
std::string to_string(const Diagnostics& diagnostics);

}  // namespace keyscribe::policy
