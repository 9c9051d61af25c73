// SPDX-License-Identifier: Apache-2.0
// Shell globs over bytes, for desc=. * is any bytes, ? any one byte, [a-z] one of a set, [!a-z] or
// [^a-z] one that is not, and a backslash takes away the next byte's meaning. There is no special
// byte in the text that is matched: '/' and a leading '.' are bytes as all others.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keyscribe::policy {

struct GlobError {
    std::size_t offset = 0;  ///< into the pattern
    std::string message;
};

/// Nothing: the pattern is valid.
std::optional<GlobError> check_glob(std::string_view pattern);

/// Whether the whole text matches. `pattern` must be valid. Takes at most
/// pattern.size() * text.size() steps.
bool glob_matches(std::string_view pattern, std::string_view text);

}  // namespace keyscribe::policy
