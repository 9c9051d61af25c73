// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace keyscribe::cli {

/// Returns a name of the kernel's as a person can read it: blanks and UTF-8 as they are, and as
/// \ooo (octal) what could pass for something else: control and format characters, backslashes,
/// bytes that are no UTF-8.
std::string printable(std::string_view name);

}  // namespace keyscribe::cli
