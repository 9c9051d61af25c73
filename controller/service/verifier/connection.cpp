// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/connection.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <array>

#include "controller/service/appraise/openssl.h"

// Nothing but names stands in a co_await expression below: GCC 12 destroys some temporaries there
// twice.
namespace keyscribe::verifier::connection {

std::string network_of(const asio::ip::address& address) {
    if (address.is_v4()) return address.to_string();
    asio::ip::address_v6 whole = address.to_v6();
    if (whole.is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, whole).to_string();
    auto bytes = whole.to_bytes();
    std::fill(bytes.begin() + 8, bytes.end(), 0);
    return asio::ip::address_v6(bytes).to_string() + "/64";
}

std::string subject_of_client(SSL* ssl) {
    const appraise::Owned<X509> certificate(SSL_get1_peer_certificate(ssl));
    if (!certificate || SSL_get_verify_result(ssl) != X509_V_OK) return {};
    std::array<char, 300> name{};
    X509_NAME_oneline(X509_get_subject_name(certificate.get()), name.data(), name.size() - 1);
    return name.data();
}

void read_fields(const http::fields& from, Request& request) {
    for (const auto& field : from) {
        std::string name(field.name_string());
        for (char& letter : name) letter = static_cast<char>(std::tolower(letter));
        request.fields[name] = std::string(field.value());
    }
}

bool refuse_head(const error_code& error, Response& refusal) {
    if (error == http::error::header_limit) {
        refusal = problem_response(
            {.status = 431, .word = "head", .title = "The request's head is too long"});
        return true;
    }
    if (error == http::error::end_of_stream || error == http::error::partial_message ||
        error.category() != http::make_error_code(http::error::bad_method).category())
        return false;
    refusal = problem_response({.status = 400, .word = "http", .title = error.message()});
    return true;
}

awaitable<bool> wait_for_a_byte(tcp::socket& socket, Clock::time_point until) {
    // On the connection's strand, as this: the socket is there as long as somebody waits.
    const auto waits = std::make_shared<bool>(true);
    const auto executor = socket.get_executor();
    asio::steady_timer timer(executor, until);
    timer.async_wait([waits, &socket](const error_code& ended) {
        error_code ignored;
        if (!ended && *waits) (void)socket.cancel(ignored);
    });
    error_code error;
    co_await socket.async_wait(tcp::socket::wait_read, into(error));
    *waits = false;
    co_return !error;
}

awaitable<bool> read_body(Stream& stream, beast::flat_buffer& buffer, Parser& parser,
                          std::chrono::seconds each) {
    const auto began = Clock::now();
    std::size_t came = 0;
    error_code error;
    while (!parser.is_done()) {
        beast::get_lowest_layer(stream).expires_at(began +
                                                   each * static_cast<int>(1 + (came >> 20)));
        const std::size_t more =
            co_await http::async_read_some(stream, buffer, parser, into(error));
        if (error) co_return false;
        came += more;
    }
    co_return true;
}

void set_fields(http::fields& fields, const Response& response) {
    if (!response.type.empty()) fields.set(http::field::content_type, response.type);
    fields.set(http::field::server, "keyscribe-verifier");
    fields.set(http::field::cache_control, "no-store");
    for (const auto& [name, value] : response.fields) fields.set(name, value);
}

awaitable<bool> send(Stream& stream, Response& response, const Ending& ending,
                     std::chrono::seconds each) {
    http::response<http::string_body> message(static_cast<http::status>(response.status),
                                              ending.version);
    set_fields(message, response);
    message.body() = std::move(response.body);
    message.keep_alive(ending.keep);
    message.prepare_payload();
    if (response.status == 204) message.erase(http::field::content_length);  // RFC 9110, 8.6
    const bool keep = ending.keep;
    error_code error;
    beast::get_lowest_layer(stream).expires_after(
        each * static_cast<int>(1 + (message.body().size() >> 20)));
    if (ending.with_body) {
        co_await http::async_write(stream, message, into(error));
    } else {
        http::response<http::empty_body> head(std::move(message.base()));
        co_await http::async_write(stream, head, into(error));
    }
    co_return keep && !error;
}

}  // namespace keyscribe::verifier::connection
