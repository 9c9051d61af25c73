// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/webhook.h"

#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <soci/soci.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include "controller/service/verifier/webhook_url.h"

namespace keyscribe::verifier {
namespace {

namespace asio_ns = boost::asio;
namespace http_ns = boost::beast::http;

constexpr std::chrono::seconds kPatience{10};
constexpr long long kLease = 20;  // seconds; more than the 15 that one try takes
constexpr long long kLongestPause = 300;
constexpr long long kAbandoned = 86400;  // seconds; who sends to it tries within kLongestPause

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

asio_ns::awaitable<unsigned> post_to(WebhookUrl address,
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
    std::string event;
};

/// Takes the first message for `url`, where it is due: none overtakes it.
Result<std::optional<Message>> take_message(Database& database, const std::string& url) {
    std::optional<Message> taken;
    const auto done = database.write([&](soci::session& session) -> Result<void> {
        taken.reset();
        Message one;
        const long long time = now(), leased = time + kLease;
        session << "select number, attempts, next_try, event from outbox where tenant = :tenant "
                   "and url = :url order by number limit 1",
            soci::use(kTenant), soci::use(url), soci::into(one.number), soci::into(one.attempts),
            soci::into(one.next_try), soci::into(one.event);
        if (!session.got_data() || one.next_try > time) return {};
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
    const auto parsed = parse_webhook_url(url);
    if (!parsed) return fail("not an address of a webhook", "[webhook] urls");
    const WebhookUrl& address = *parsed;
    const std::string shown = address.shown();
    http_ns::request<http_ns::string_body> request(http_ns::verb::post, address.target, 11);
    request.set(http_ns::field::host, address.authority);
    request.set(http_ns::field::user_agent, "keyscribe-verifier");
    request.set(http_ns::field::content_type, "application/cloudevents+json; charset=utf-8");
    if (!secret.empty()) request.set("X-Keyscribe-Signature", signature(secret, body));
    request.body() = body;
    request.keep_alive(false);
    request.prepare_payload();
    Result<void> result = fail("no answer within 10 s", shown);
    asio_ns::io_context io(1);
    asio_ns::co_spawn(io, post_to(address, std::move(request)),
                      [&](const std::exception_ptr& failed, unsigned status) {
                          try {
                              if (failed) std::rethrow_exception(failed);
                              result = Result<void>();
                              if (status / 100 != 2)
                                  result = fail("answered " + std::to_string(status), shown);
                          } catch (const std::exception& error) {
                              result = fail(error.what(), shown);
                          }
                      });
    io.run_for(kPatience + std::chrono::seconds(5));
    return result;
}

Result<int> send_outbox(Service& service, const std::string& url, WebhookCounters& counters) {
    int sent = 0;
    for (;;) {
        const auto message = take_message(*service.database, url);
        if (!message) return std::unexpected(message.error());
        if (!*message) return sent;
        const auto done = post_event(url, (*message)->event, service.settings.webhook.secret);
        ++(done ? counters.sent : counters.failed);
        if (done) ++sent;
        if (!done) spdlog::warn("webhook: {}", to_string(done.error()));
        if (auto settled = settle(*service.database, **message, done); !settled)
            return std::unexpected(settled.error());
    }
}

Result<void> drop_abandoned(Service& service) {
    const auto& urls = service.settings.webhook.urls;
    return service.database->write([&](soci::session& session) -> Result<void> {
        const long long before = now() - kAbandoned;
        std::vector<std::string> all;
        {
            std::string url;
            soci::statement select =
                (session.prepare << "select url from outbox where tenant = :tenant group by url "
                                    "having max(next_try) < :before",
                 soci::use(kTenant), soci::use(before), soci::into(url));
            for (select.execute(); select.fetch();)
                if (std::ranges::find(urls, url) == urls.end()) all.push_back(url);
        }
        for (const std::string& url : all) {
            session << "delete from outbox where tenant = :tenant and url = :url",
                soci::use(kTenant), soci::use(url);
            const auto address = parse_webhook_url(url);
            spdlog::warn("messages for {}, which no process sends to any more, are thrown away",
                         address ? address->shown() : "a webhook");
        }
        return {};
    });
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
