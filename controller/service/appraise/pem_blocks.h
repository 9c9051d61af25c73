// SPDX-License-Identifier: Apache-2.0
// The blocks of a PEM file, and the lines between them. RFC 7468, strict where a lenient reader
// would pass over a block: as many blocks are read as there are BEGIN lines, or the file is
// refused.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::appraise {

struct TextLine {
    std::string_view text;   ///< without blanks at either end
    std::size_t number = 0;  ///< from 1
};

/// The lines of `text` that are not blank. A line ends with LF, CR LF, or CR alone; a byte order
/// mark before the first is no part of it.
std::vector<TextLine> lines_of(std::string_view text);

/// "file:number".
std::string at_line(const std::string& file, std::size_t number);

struct PemBlock {
    std::string label;  ///< "CERTIFICATE"
    std::vector<std::uint8_t> data;
    std::size_t line = 0;  ///< of its BEGIN
};

struct PemText {
    std::vector<PemBlock> blocks;
    std::vector<TextLine> between;  ///< lines outside of the blocks; views into the text
};

/// Takes `text` apart. Error: a BEGIN line with something before or behind it, without its END, or
/// content that is not base64; `where` has file and line.
Result<PemText> read_pem(std::string_view text, const std::string& file);

}  // namespace keyscribe::appraise
