// SPDX-License-Identifier: Apache-2.0
// One connection of the server: what is read from it and written to it, each with its time.
#pragma once

// clang-format off: Boost 1.74's awaitable.hpp uses std::exchange and does not include it
#include <utility>
// clang-format on

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <chrono>
#include <string>

#include "controller/service/verifier/http.h"

namespace keyscribe::verifier::connection {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::awaitable;
using asio::ip::tcp;
using boost::system::error_code;
using Stream = beast::ssl_stream<beast::tcp_stream>;
using Parser = http::request_parser<http::string_body>;
using Clock = std::chrono::steady_clock;

inline auto into(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

/// Whom limits for each address count: of IPv6 the network, of which one machine has all addresses.
std::string network_of(const asio::ip::address& address);

/// Of a certificate that was verified; else empty.
std::string subject_of_client(SSL* ssl);

/// Names in lower case.
void read_fields(const http::fields& from, Request& request);

/// What is wrong with a head. False: the client is gone, and nobody is there to be told.
bool refuse_head(const error_code& error, Response& refusal);

/// False: nothing came until then.
awaitable<bool> wait_for_a_byte(tcp::socket& socket, Clock::time_point until);

/// For each MiB that came there is `each` more: who sends nothing holds its part of all bodies no
/// longer than that. False: the client is gone, or too slow.
awaitable<bool> read_body(Stream& stream, beast::flat_buffer& buffer, Parser& parser,
                          std::chrono::seconds each);

/// How an answer is written.
struct Ending {
    unsigned version = 11;  ///< of HTTP, without its dot
    bool keep = false;      ///< the connection goes on
    bool with_body = true;
};

void set_fields(http::fields& fields, const Response& response);

/// `each`: for each MiB. False: the connection ends.
awaitable<bool> send(Stream& stream, Response& response, const Ending& ending,
                     std::chrono::seconds each);

}  // namespace keyscribe::verifier::connection
