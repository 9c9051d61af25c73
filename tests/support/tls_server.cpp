// SPDX-License-Identifier: Apache-2.0
#include "tests/support/tls_server.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <mutex>
#include <thread>

#include "controller/base/base64.h"
#include "controller/base/digest.h"

namespace keyscribe::testing {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Stream = asio::ssl::stream<tcp::socket>;

std::string text_of(boost::beast::string_view text) { return {text.data(), text.size()}; }

/// What stands between "-----BEGIN" and "-----END" of some PEM, or all of it.
std::string pem_of(const std::function<int(BIO*)>& write) {
    BIO* memory = ::BIO_new(::BIO_s_mem());
    write(memory);
    char* text = nullptr;
    const long size = ::BIO_get_mem_data(memory, &text);
    std::string pem(text, static_cast<std::size_t>(size));
    ::BIO_free(memory);
    return pem;
}

}  // namespace

struct TlsServer::State {
    Handler handler;
    std::shared_ptr<EVP_PKEY> key = ec_key("P-256");
    Buffer certificate;
    asio::io_context io;
    asio::ssl::context context{asio::ssl::context::tls_server};
    tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), 0}};
    std::atomic<unsigned> connections = 0, requests = 0;
    std::mutex mutex;
    int serving = -1;  // the socket of the connection that is open
    bool stopping = false;
    std::jthread thread;

    void run() {
        for (;;) {
            error_code code;
            tcp::socket socket = acceptor.accept(code);
            const int fd = code ? -1 : socket.native_handle();
            {
                const std::lock_guard lock(mutex);
                if (stopping) return;
                serving = fd;
            }
            if (!code) serve(Stream(std::move(socket), context));
        }
    }

    void serve(Stream stream) {
        error_code code;
        (void)stream.handshake(asio::ssl::stream_base::server, code);
        beast::flat_buffer buffer;
        if (!code) ++connections;
        while (!code && answer(stream, buffer, code)) continue;
        const std::lock_guard lock(mutex);
        serving = -1;
    }

    /// Returns whether the connection stays.
    bool answer(Stream& stream, beast::flat_buffer& buffer, error_code& code) {
        http::request_parser<http::string_body> parser;
        parser.body_limit(64u << 20);
        http::read(stream, buffer, parser, code);
        if (code) return false;
        ++requests;
        const auto& request = parser.get();
        const HttpsReply reply =
            handler({text_of(request.method_string()), text_of(request.target()),
                     text_of(request[http::field::host]),
                     text_of(request[http::field::content_type]), request.body()});
        if (reply.silent) return wait_for_end(stream);
        http::response<http::string_body> response(static_cast<http::status>(reply.status), 11);
        response.set(http::field::content_type, reply.content_type);
        for (const auto& [name, value] : reply.headers) response.set(name, value);
        response.body() = reply.body;
        response.prepare_payload();
        if (reply.cut != 0) {
            std::ostringstream text;
            text << response;
            const std::string part =
                text.str().substr(0, text.str().size() - reply.body.size() + reply.cut);
            asio::write(stream, asio::buffer(part), code);
            return wait_for_end(stream);
        }
        http::write(stream, response, code);
        return !code && !reply.close;
    }

    static bool wait_for_end(Stream& stream) {
        char byte = 0;
        error_code code;
        while (!code) stream.read_some(asio::buffer(&byte, 1), code);
        return false;
    }
};

TlsServer::TlsServer(Handler handler, const std::string& name, const CertificateOptions& options)
    : state_(std::make_unique<State>()) {
    state_->handler = std::move(handler);
    state_->certificate =
        testing::certificate(state_->key.get(), name, state_->key.get(), name, options);
    const std::string key = pem_of([&](BIO* memory) {
        return ::PEM_write_bio_PrivateKey(memory, state_->key.get(), nullptr, nullptr, 0, nullptr,
                                          nullptr);
    });
    state_->context.use_private_key(asio::buffer(key), asio::ssl::context::pem);
    state_->context.use_certificate(
        asio::buffer(state_->certificate.data(), state_->certificate.size()),
        asio::ssl::context::asn1);
    state_->thread = std::jthread([this] { state_->run(); });
}

TlsServer::~TlsServer() {
    {
        const std::lock_guard lock(state_->mutex);
        state_->stopping = true;
        if (state_->serving >= 0) ::shutdown(state_->serving, SHUT_RDWR);
    }
    ::shutdown(state_->acceptor.native_handle(), SHUT_RDWR);
    state_->thread.join();
}

std::uint16_t TlsServer::port() const { return state_->acceptor.local_endpoint().port(); }

std::string TlsServer::url(const std::string& host) const {
    return "https://" + host + ':' + std::to_string(port());
}

const Buffer& TlsServer::certificate() const { return state_->certificate; }

std::string TlsServer::certificate_pem() const {
    const std::string base64 = to_base64(state_->certificate);
    std::string pem = "-----BEGIN CERTIFICATE-----\n";
    for (std::size_t at = 0; at < base64.size(); at += 64) pem += base64.substr(at, 64) + '\n';
    return pem + "-----END CERTIFICATE-----\n";
}

unsigned TlsServer::connections() const { return state_->connections; }
unsigned TlsServer::requests() const { return state_->requests; }

std::string TlsServer::pin() const {
    const std::string pem =
        pem_of([&](BIO* memory) { return ::PEM_write_bio_PUBKEY(memory, state_->key.get()); });
    std::FILE* pipe = ::popen(("printf '%s' '" + pem +
                               "' | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary"
                               " | basenc --base64url | tr -d '='")
                                  .c_str(),
                              "r");
    char text[64] = {};
    const std::size_t size = std::fread(text, 1, sizeof(text) - 1, pipe);
    ::pclose(pipe);
    return {text, size == 0 ? 0 : size - 1};  // without the end of the line
}

}  // namespace keyscribe::testing
