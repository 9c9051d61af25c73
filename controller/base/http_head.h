// SPDX-License-Identifier: Apache-2.0
// Heads of HTTP messages for whoever writes asynchronously.
#pragma once

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/write.hpp>
#include <sstream>
#include <string>

namespace keyscribe {

/// The head as it goes over the wire, its empty line included (RFC 9112, section 2.1).
/// asio::async_write sends it and the body. http::async_write would do both, but its states for
/// each kind of stream and body are a third of what a file with it takes to compile.
template <bool IsRequest>
std::string head_text(const boost::beast::http::header<IsRequest>& head) {
    std::ostringstream text;
    text << head;
    return std::move(text).str();
}

}  // namespace keyscribe
