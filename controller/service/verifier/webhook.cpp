// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/webhook.h"

#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <soci/soci.h>
#include <spdlog/spdlog.h>

#include <array>
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

namespace keyscribe::verifier {
namespace {

namespace asio_ns = boost::asio;
namespace http_ns = boost::beast::http;

constexpr std::chrono::seconds kPatience{10};
constexpr long long kLease = 20;  // seconds; more than the 15 that one try takes
constexpr long long kLongestPause = 300;

struct Address {
    bool secure = false;
    std::string host, port, path;
};

Address parse_address(const std::string& url) {
    Address address{.secure = url.starts_with("https://")};
    const std::string rest = url.substr(address.secure ? 8 : 7);
    const auto slash = std::min(rest.find('/'), rest.size());
    address.path = slash == rest.size() ? "/" : rest.substr(slash);
    address.host = rest.substr(0, slash);
    address.port = address.secure ? "443" : "80";
    const auto colon = address.host.rfind(':');
    if (colon != std::string::npos && address.host.find(']', colon) == std::string::npos) {
        address.port = address.host.substr(colon + 1);
        address.host.resize(colon);
    }
    if (address.host.starts_with('[') && address.host.ends_with(']'))
        address.host = address.host.substr(1, address.host.size() - 2);
    return address;
}

std::string signature(const std::string& secret, const std::string& body) {
    std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    ::HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
           reinterpret_cast<const unsigned char*>(body.data()), body.size(), digest.data(), &size);
    return "sha256=" + to_hex(Bytes(digest).first(size));
}

template <class Stream>
asio_ns::awaitable<unsigned> exchange(Stream& stream,
                                      http_ns::request<http_ns::string_body> request) {
    co_await http_ns::async_write(stream, request, asio_ns::use_awaitable);
    boost::beast::flat_buffer buffer;
    http_ns::response_parser<http_ns::string_body> parser;
    parser.body_limit(64u << 10);
    co_await http_ns::async_read_header(stream, buffer, parser, asio_ns::use_awaitable);
    co_return parser.get().result_int();
}

asio_ns::awaitable<unsigned> post_to(Address address,
                                     http_ns::request<http_ns::string_body> request) {
    const auto executor = co_await asio_ns::this_coro::executor;
    asio_ns::ip::tcp::resolver resolver(executor);
    const auto found =
        co_await resolver.async_resolve(address.host, address.port, asio_ns::use_awaitable);
    if (!address.secure) {
        boost::beast::tcp_stream stream(executor);
        stream.expires_after(kPatience);
        co_await stream.async_connect(found, asio_ns::use_awaitable);
        const unsigned status = co_await exchange(stream, request);
        co_return status;
    }
    asio_ns::ssl::context context(asio_ns::ssl::context::tls_client);
    context.set_default_verify_paths();
    context.set_verify_mode(asio_ns::ssl::verify_peer);
    context.set_verify_callback(asio_ns::ssl::host_name_verification(address.host));
    boost::beast::ssl_stream<boost::beast::tcp_stream> stream(co_await asio_ns::this_coro::executor,
                                                              context);
    SSL_set_tlsext_host_name(stream.native_handle(), address.host.c_str());
    auto& lowest = boost::beast::get_lowest_layer(stream);
    lowest.expires_after(kPatience);
    co_await lowest.async_connect(found, asio_ns::use_awaitable);
    co_await stream.async_handshake(asio_ns::ssl::stream_base::client, asio_ns::use_awaitable);
    const unsigned status = co_await exchange(stream, request);
    co_return status;
}

struct Message {
    long long number = 0, attempts = 0, next_try = 0;
    std::string url, event;
};

/// Takes the first message that is due, of an address of which none before it waits for its next
/// try.
Result<std::optional<Message>> take_message(Database& database) {
    std::optional<Message> taken;
    const auto done = database.write([&](soci::session& session) -> Result<void> {
        Message one;
        const long long time = now(), leased = time + kLease;
        session << "select number, attempts, next_try, url, event from outbox where tenant = "
                   ":tenant and next_try <= :now and not exists (select 1 from outbox earlier "
                   "where earlier.tenant = outbox.tenant and earlier.url = outbox.url and "
                   "earlier.number < outbox.number) order by number limit 1",
            soci::use(kTenant), soci::use(time), soci::into(one.number), soci::into(one.attempts),
            soci::into(one.next_try), soci::into(one.url), soci::into(one.event);
        if (!session.got_data()) return {};
        soci::statement update =
            (session.prepare << "update outbox set next_try = :leased, attempts = attempts + 1 "
                                "where tenant = :tenant and number = :number and next_try = :was "
                                "and attempts = :attempts",
             soci::use(leased), soci::use(kTenant), soci::use(one.number), soci::use(one.next_try),
             soci::use(one.attempts));
        update.execute(true);
        if (update.get_affected_rows() == 1) taken = one;
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return taken;
}

Result<void> settle(Database& database, const Message& message, const Result<void>& sent) {
    return database.write([&](soci::session& session) -> Result<void> {
        if (sent) {
            session << "delete from outbox where tenant = :tenant and number = :number",
                soci::use(kTenant), soci::use(message.number);
            return {};
        }
        const long long pause = std::min(kLongestPause, 1LL << std::min(message.attempts, 20LL));
        const long long next = now() + pause;
        const std::string problem = to_string(sent.error()).substr(0, 500);
        session << "update outbox set next_try = :next, problem = :problem where tenant = :tenant "
                   "and number = :number",
            soci::use(next), soci::use(problem), soci::use(kTenant), soci::use(message.number);
        return {};
    });
}

}  // namespace

Result<void> post_event(const std::string& url, const std::string& body,
                        const std::string& secret) {
    const Address address = parse_address(url);
    http_ns::request<http_ns::string_body> request(http_ns::verb::post, address.path, 11);
    request.set(http_ns::field::host, address.host);
    request.set(http_ns::field::user_agent, "keyscribe-verifier");
    request.set(http_ns::field::content_type, "application/cloudevents+json; charset=utf-8");
    if (!secret.empty()) request.set("X-Keyscribe-Signature", signature(secret, body));
    request.body() = body;
    request.keep_alive(false);
    request.prepare_payload();
    Result<void> result = fail("no answer within 10 s", url);
    asio_ns::io_context io(1);
    asio_ns::co_spawn(io, post_to(address, std::move(request)),
                      [&](const std::exception_ptr& failed, unsigned status) {
                          try {
                              if (failed) std::rethrow_exception(failed);
                              result = Result<void>();
                              if (status / 100 != 2)
                                  result = fail("answered " + std::to_string(status), url);
                          } catch (const std::exception& error) {
                              result = fail(error.what(), url);
                          }
                      });
    io.run_for(kPatience + std::chrono::seconds(5));
    return result;
}

Result<int> send_outbox(Service& service, WebhookCounters& counters) {
    int sent = 0;
    for (;;) {
        const auto message = take_message(*service.database);
        if (!message) return std::unexpected(message.error());
        if (!*message) return sent;
        const auto done =
            post_event((*message)->url, (*message)->event, service.settings.webhook.secret);
        ++(done ? counters.sent : counters.failed);
        if (done) ++sent;
        if (!done) spdlog::warn("webhook: {}", to_string(done.error()));
        if (auto settled = settle(*service.database, **message, done); !settled)
            return std::unexpected(settled.error());
    }
}

Result<std::int64_t> outbox_length(Database& database) {
    long long waiting = 0;
    const auto done = database.read([&](soci::session& session) -> Result<void> {
        session << "select count(*) from outbox where tenant = :tenant", soci::use(kTenant),
            soci::into(waiting);
        return {};
    });
    if (!done) return std::unexpected(done.error());
    return waiting;
}

}  // namespace keyscribe::verifier
