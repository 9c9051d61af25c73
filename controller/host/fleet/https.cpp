// SPDX-License-Identifier: Apache-2.0
#include "controller/host/fleet/https.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <optional>
#include <utility>

#include "controller/base/base64.h"
#include "controller/base/digest.h"

namespace keyscribe::fleet {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using Stream = beast::ssl_stream<beast::tcp_stream>;

constexpr std::size_t kBytesASecond = 64u << 10;

/// The pin of a certificate's key; "" of one that cannot be encoded.
std::string pin_of(X509* certificate) {
    unsigned char* der = nullptr;
    const int size = ::i2d_X509_PUBKEY(::X509_get_X509_PUBKEY(certificate), &der);
    if (size <= 0) return "";
    const std::string pin = to_base64url(sha256({der, static_cast<std::size_t>(size)}));
    ::OPENSSL_free(der);
    return pin;
}

struct Pinned {
    std::string wanted, seen;
};

/// In place of OpenSSL's look at the chain: name and dates are nothing to whoever knows the key.
int check_pin(X509_STORE_CTX* store, void* argument) {
    auto* pinned = static_cast<Pinned*>(argument);
    X509* certificate = ::X509_STORE_CTX_get0_cert(store);
    pinned->seen = certificate == nullptr ? "" : pin_of(certificate);
    if (!pinned->seen.empty() && pinned->seen == pinned->wanted) return 1;
    ::X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

std::string text_of(boost::beast::string_view text) { return {text.data(), text.size()}; }

std::string without_parameters(const std::string& content_type) {
    std::string type = content_type.substr(0, content_type.find(';'));
    while (type.ends_with(' ')) type.pop_back();
    return type;
}

}  // namespace

struct Connection::State {
    State(Verifier to, std::chrono::milliseconds limit)
        : verifier(std::move(to)), patience(limit) {}

    Verifier verifier;
    std::chrono::milliseconds patience;
    asio::io_context io;
    asio::ssl::context context{asio::ssl::context::tls_client};
    Pinned pinned;
    beast::flat_buffer buffer;
    std::optional<Stream> stream;

    Result<void> set_up();
    Result<void> connect();
    std::unexpected<Error> away(const char* what, const error_code& code) const;
    std::unexpected<Error> not_meant(const error_code& code);

    /// Runs one asynchronous operation to its end: only those have a deadline in Beast.
    template <class Start>
    error_code run(std::chrono::milliseconds limit, const Start& start) {
        error_code result;
        beast::get_lowest_layer(*stream).expires_after(limit);
        start([&result](const error_code& code, const auto&...) { result = code; });
        io.restart();
        io.run();
        return result;
    }

    /// The head by itself: reading all at once, Beast 1.74 forgets that the length is over the
    /// limit where a part of the body came with the head.
    error_code read(http::response_parser<http::string_body>& parser) {
        const error_code code = run(patience, [&](const auto& done) {
            http::async_read_header(*stream, buffer, parser, done);
        });
        if (code || parser.is_done()) return code;
        return run(patience,
                   [&](const auto& done) { http::async_read(*stream, buffer, parser, done); });
    }
};

Result<void> Connection::State::set_up() {
    ::SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
    context.set_verify_mode(asio::ssl::verify_peer);
    if (verifier.ca.empty()) {
        pinned.wanted = verifier.pin;
        ::SSL_CTX_set_cert_verify_callback(context.native_handle(), check_pin, &pinned);
        return {};
    }
    error_code code;
    (void)context.load_verify_file(verifier.ca.string(), code);
    if (code)
        return fail("cannot read certificates of authorities: " + code.message(),
                    verifier.ca.string(), "expected is PEM");
    return {};
}

std::unexpected<Error> Connection::State::away(const char* what, const error_code& code) const {
    const std::string why =
        code == beast::error::timeout
            ? "nothing in " +
                  std::to_string(
                      std::chrono::duration_cast<std::chrono::seconds>(patience).count()) +
                  " s"
            : code.message();
    return fail(std::string(what) + ": " + why, verifier.url(),
                "does keyscribe-verifier run there, and may this host reach it?");
}

/// Why TLS did not come about: the certificate, or anything else.
std::unexpected<Error> Connection::State::not_meant(const error_code& code) {
    const long verified = ::SSL_get_verify_result(stream->native_handle());
    if (!pinned.seen.empty() && pinned.seen != pinned.wanted)
        return fail("this is not the verifier that the token is of: its key is " + pinned.seen +
                        ", and not " + pinned.wanted,
                    verifier.url(),
                    "where it got a new key on purpose, enrol again with a new token");
    if (verified != X509_V_OK)
        return fail(std::string("the verifier's certificate is not believed: ") +
                        ::X509_verify_cert_error_string(verified),
                    verifier.url(), "is it by an authority of " + verifier.ca.string() + "?");
    return away("no TLS connection", code);
}

Result<void> Connection::State::connect() {
    error_code code;
    buffer.clear();
    asio::ip::tcp::resolver resolver(io);
    const auto found = resolver.resolve(verifier.host, std::to_string(verifier.port), code);
    if (code) return away("its address is not known", code);
    stream.emplace(io, context);
    SSL* ssl = stream->native_handle();
    asio::ip::make_address(verifier.host, code);
    const bool is_address = !code;
    if (!is_address) ::SSL_set_tlsext_host_name(ssl, verifier.host.c_str());
    if (!verifier.ca.empty()) {
        const int set = is_address ? ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl),
                                                                     verifier.host.c_str())
                                   : ::SSL_set1_host(ssl, verifier.host.c_str());
        if (set != 1) return fail("no certificate can be for this name", verifier.url());
    }
    code = run(patience, [&](const auto& done) {
        beast::get_lowest_layer(*stream).async_connect(found, done);
    });
    if (code) return away("no connection", code);
    code = run(patience, [&](const auto& done) {
        stream->async_handshake(asio::ssl::stream_base::client, done);
    });
    if (code) return not_meant(code);
    return {};
}

Connection::Connection(std::unique_ptr<State> state) : state_(std::move(state)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

Result<Connection> Connection::open(const Verifier& verifier, std::chrono::milliseconds patience) {
    if (verifier.pin.empty() && verifier.ca.empty())
        return fail("nothing says by what the verifier is known", verifier.url(),
                    "give a token with its pin, SECRET.PIN, or --ca FILE");
    auto state = std::make_unique<State>(verifier, patience);
    if (auto done = state->set_up(); !done) return std::unexpected(done.error());
    if (auto done = state->connect(); !done) return std::unexpected(done.error());
    return Connection(std::move(state));
}

Result<Answer> Connection::exchange(const Request& request) {
    http::request<http::string_body> message;
    message.version(11);
    message.method_string(request.method);
    message.target(state_->verifier.path + request.target);
    message.set(http::field::host, state_->verifier.authority());
    message.set(http::field::user_agent, "keyscribe/" KEYSCRIBE_VERSION);
    if (!request.content_type.empty()) message.set(http::field::content_type, request.content_type);
    message.body() = request.body;
    message.prepare_payload();
    const auto to_send =
        state_->patience + std::chrono::seconds(request.body.size() / kBytesASecond);

    const bool kept = state_->stream.has_value();
    if (!kept)
        if (auto done = state_->connect(); !done) return std::unexpected(done.error());
    for (bool again = !kept;; again = true) {
        http::response_parser<http::string_body> parser;
        parser.header_limit(kMaxAnswerHead);
        parser.body_limit(kMaxAnswer);
        // Some answer, and close, before they have read a long request: their answer counts.
        const error_code sent = state_->run(
            to_send, [&](const auto& done) { http::async_write(*state_->stream, message, done); });
        const error_code code = sent == beast::error::timeout ? sent : state_->read(parser);
        if (code == http::error::body_limit || code == http::error::header_limit) {
            state_->stream.reset();
            return fail(
                "the verifier's answer is longer than " +
                    std::to_string(code == http::error::body_limit ? kMaxAnswer : kMaxAnswerHead) +
                    " bytes",
                state_->verifier.url() + request.target);
        }
        if (code) {
            state_->stream.reset();
            // One that was kept may have been closed when it was last used.
            if (again || code == beast::error::timeout || parser.got_some())
                return state_->away("no answer", code);
            if (auto done = state_->connect(); !done) return std::unexpected(done.error());
            continue;
        }
        const bool keep = parser.keep_alive() && !sent;
        auto answer = parser.release();
        if (!keep) state_->stream.reset();
        return Answer{
            .status = static_cast<int>(answer.result_int()),
            .content_type = without_parameters(text_of(answer[http::field::content_type])),
            .location = text_of(answer[http::field::location]),
            .retry_after = text_of(answer[http::field::retry_after]),
            .accept = text_of(answer[http::field::accept]),
            .body = std::move(answer.body())};
    }
}

}  // namespace keyscribe::fleet
