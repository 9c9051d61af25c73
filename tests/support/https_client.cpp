// SPDX-License-Identifier: Apache-2.0
#include "tests/support/https_client.h"

#include <openssl/x509.h>

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "controller/base/digest.h"

namespace keyscribe::testing {

namespace asio = boost::asio;
namespace http = boost::beast::http;

struct HttpsClient::Impl {
    asio::io_context io;
    asio::ssl::context tls{asio::ssl::context::tls_client};
    asio::ssl::stream<asio::ip::tcp::socket> stream{io, tls};
    boost::beast::flat_buffer buffer;
};

HttpsClient::HttpsClient(unsigned port) : impl_(std::make_unique<Impl>()) { connect(port); }

HttpsClient::HttpsClient(unsigned port, const std::string& certificate, const std::string& key)
    : impl_(std::make_unique<Impl>()) {
    SSL_use_certificate_file(impl_->stream.native_handle(), certificate.c_str(), SSL_FILETYPE_PEM);
    SSL_use_PrivateKey_file(impl_->stream.native_handle(), key.c_str(), SSL_FILETYPE_PEM);
    connect(port);
}

void HttpsClient::connect(unsigned port) {
    auto& socket = impl_->stream.next_layer();
    socket.connect({asio::ip::address_v4::loopback(), static_cast<unsigned short>(port)});
    socket.set_option(asio::ip::tcp::no_delay(true));
    impl_->stream.handshake(asio::ssl::stream_base::client);
}

HttpsClient::~HttpsClient() = default;

HttpAnswer HttpsClient::send(const std::string& method, const std::string& target,
                             const std::string& body, const std::string& type,
                             const std::string& token) {
    http::request<http::string_body> request(http::string_to_verb(method), target, 11);
    request.set(http::field::host, "localhost");
    if (!type.empty()) request.set(http::field::content_type, type);
    if (!token.empty()) request.set(http::field::authorization, "Bearer " + token);
    request.body() = body;
    request.prepare_payload();
    http::write(impl_->stream, request);
    http::response<http::string_body> response;
    http::read(impl_->stream, impl_->buffer, response);
    HttpAnswer answer{.status = response.result_int(), .body = response.body()};
    for (const auto& field : response) {
        std::string name(field.name_string());
        for (char& letter : name) letter = static_cast<char>(std::tolower(letter));
        answer.fields[name] = std::string(field.value());
    }
    return answer;
}

void HttpsClient::write(const std::string& bytes) {
    asio::write(impl_->stream, asio::buffer(bytes));
}

std::string HttpsClient::raw(const std::string& bytes) {
    boost::system::error_code error;
    asio::write(impl_->stream, asio::buffer(bytes), error);
    std::string all;
    asio::read(impl_->stream, asio::dynamic_buffer(all), error);
    return all;
}

std::string HttpsClient::read_until(const std::string& text) {
    std::string all;
    asio::read_until(impl_->stream, asio::dynamic_buffer(all), text);
    return all;
}

std::string HttpsClient::pin() const {
    X509* certificate = SSL_get1_peer_certificate(impl_->stream.native_handle());
    unsigned char* der = nullptr;
    const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    const std::string digest = to_hex(sha256(Bytes(der, static_cast<std::size_t>(size))));
    OPENSSL_free(der);
    X509_free(certificate);
    return digest;
}

}  // namespace keyscribe::testing
