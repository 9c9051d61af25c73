// SPDX-License-Identifier: Apache-2.0
// How every function of the controller says that it failed: a value, not an exception.
#pragma once

#include <cerrno>
#include <expected>
#include <string>
#include <string_view>
#include <system_error>

/// What is in base/ is used without a prefix everywhere.
namespace keyscribe {
namespace base {}
using namespace base;
}  // namespace keyscribe

namespace keyscribe::base {

struct Error {
    std::string what;   ///< what happened, as a sentence without a full stop
    std::string where;  ///< the file (with line and column), device, or call; may be empty
    std::string hint;   ///< what to do about it; may be empty
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(std::string what, std::string where = {},
                                   std::string hint = {}) {
    return std::unexpected(Error{std::move(what), std::move(where), std::move(hint)});
}

/// As fail(), with the text of errno (or of `code`) behind `what`.
inline std::unexpected<Error> fail_errno(std::string_view what, std::string where = {},
                                         std::string hint = {}, int code = errno) {
    return fail(std::string(what) + ": " + std::generic_category().message(code), std::move(where),
                std::move(hint));
}

/// "where: what (hint)", on one line.
inline std::string to_string(const Error& error) {
    std::string text = error.where.empty() ? error.what : error.where + ": " + error.what;
    if (!error.hint.empty()) text += " (" + error.hint + ")";
    return text;
}

}  // namespace keyscribe::base
