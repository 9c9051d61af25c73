// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 (RFC 9112), as much of it as one request and one answer a connection need: no chunks, no
// connection that is used again. Text in, values out, by Boost.Beast's parsers; nothing here reads
// a socket.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/error.h"

namespace keyscribe::control {

inline constexpr std::size_t kMaxHead = 16 * 1024;  ///< bytes of a request up to its body
inline constexpr std::size_t kMaxTarget = 8 * 1024;
inline constexpr std::size_t kMaxBody = 64 * 1024;
/// The status of a daemon that watches a thousand keyrings has 200 KiB.
inline constexpr std::size_t kMaxAnswer = 16u << 20;

/// What stands before a request's body. Unchecked text of the peer's, but for its form.
struct RequestHead {
    std::string method;
    std::string path;                          ///< begins with '/'; not decoded
    std::map<std::string, std::string> query;  ///< decoded; a repeated name: the first
    std::map<std::string, std::string>
        headers;           ///< names in lower case; a repeated name: the first
    std::size_t body = 0;  ///< its size in bytes

    /// Returns the header's value, or nothing of it.
    std::string_view header(const std::string& name) const;
};

/// Why a request is not answered by its route: an HTTP status and an error for the reply.
struct Refusal {
    int status = 400;
    Error error;
};

/// Takes the head apart, which ends with an empty line. Refusal: it is no HTTP, or asks for what is
/// not understood here.
std::expected<RequestHead, Refusal> parse_head(std::string_view head);

/// An answer's first lines, up to its body.
std::string answer_head(int status, std::string_view content_type, std::size_t body);

/// An answer taken apart. Nothing: it is no HTTP, or shorter than it says.
struct Answer {
    int status = 0;
    std::string content_type, body;
};
std::optional<Answer> parse_answer(std::string_view text);

}  // namespace keyscribe::control
