// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/server.h"

#include <spdlog/spdlog.h>

#include <limits>
#include <thread>

#include "controller/service/verifier/connection.h"
#include "controller/service/verifier/limits.h"
#include "controller/service/verifier/metrics_readers.h"
#include "controller/service/verifier/secrets.h"

namespace keyscribe::verifier {
namespace {

using namespace connection;

// Counts against no budget: as many as there are connections are 192 MiB.
constexpr std::uint64_t kSmallBody = 16u << 10;
constexpr std::chrono::seconds kFarewell{5};  // for the end of TLS
// A connection's patience, in seconds, where most connections are taken.
constexpr unsigned kScarce = 5;
constexpr int kLongestWait = 60;
constexpr unsigned kVersion = 11;  // HTTP/1.1
// Of a stream of events: shorter than the minute after which proxies close.
constexpr int kHeartbeat = 15;

/// Who is at the other end of a connection.
struct Peer {
    std::string address;
    std::string certificate;  ///< its subject, where it is an operator's
};

Response too_many() {
    return problem_response(
        {.status = 429, .word = "busy", .title = "Too many requests wait", .retry_after = 2});
}

}  // namespace

// Nothing but names stands in a co_await expression below: GCC 12 destroys some temporaries there
// twice.
struct Server::Impl {
    explicit Impl(Service& of)
        : service(of),
          settings(of.settings),
          connections(settings.limits.connections, settings.limits.connections_for_address),
          bodies(settings.limits.bodies, settings.limits.bodies_for_address),
          queue(settings.limits.queue),
          tls(asio::ssl::context::tls_server),
          acceptor(io),
          workers(worker_count(settings)) {}

    static unsigned cpus() { return std::max(1u, std::thread::hardware_concurrency()); }
    static unsigned worker_count(const Settings& settings) {
        return settings.limits.threads != 0 ? settings.limits.threads : cpus();
    }

    awaitable<void> accept();
    awaitable<void> serve(tcp::socket socket, std::string address);
    awaitable<bool> serve_one(Stream& stream, beast::flat_buffer& buffer, const Peer& peer);
    awaitable<Response> run(const Route& route, Request& request);
    awaitable<Response> on_worker(const Route& route, Request& request);
    awaitable<void> send_events(Stream& stream, const Route& route, Request& request,
                                Response& first, unsigned version);
    bool refuse_body(bool chunked, std::uint64_t size, Response& refusal) const;
    bool take_body(const Peer& peer, std::uint64_t size, SharedLimit::Hold& hold,
                   Response& refusal);
    std::chrono::seconds patience_of(unsigned seconds) const {
        return std::chrono::seconds(connections.is_scarce() ? std::min(seconds, kScarce) : seconds);
    }
    Response authorize_and_handle(const Route& route, Request& request);
    void count(const Response& response, Clock::time_point began);

    Service& service;
    const Settings& settings;
    std::vector<Route> routes;
    ServerCounters counters;
    MetricsReaders metrics_readers;
    SharedLimit connections, bodies;
    Budget queue;
    asio::io_context io;
    asio::ssl::context tls;
    tcp::acceptor acceptor;
    asio::thread_pool workers;
    std::vector<std::jthread> threads;
};

awaitable<void> Server::Impl::accept() {
    for (;;) {
        error_code error;
        tcp::socket socket(asio::any_io_executor(asio::make_strand(io)));
        co_await acceptor.async_accept(socket, into(error));
        if (error == asio::error::operation_aborted) co_return;
        if (error) {  // no more file descriptors, most likely: one is closed soon
            asio::steady_timer timer(io, std::chrono::milliseconds(50));
            co_await timer.async_wait(into(error));
            continue;
        }
        const auto peer = socket.remote_endpoint(error);
        const std::string address = error ? std::string("?") : network_of(peer.address());
        ++counters.accepted;
        if (!connections.take(address)) {
            ++counters.turned_away;
            continue;
        }
        (void)socket.set_option(tcp::no_delay(true), error);
        const auto executor = socket.get_executor();
        asio::co_spawn(executor, serve(std::move(socket), address), asio::detached);
    }
}

awaitable<void> Server::Impl::serve(tcp::socket socket, std::string address) {
    struct Leave {
        SharedLimit& limit;
        const std::string& address;
        ~Leave() { limit.give_back(address); }
    } const leave{connections, address};
    try {
        // TLS takes 80 KB, for whoever says something.
        const auto until = Clock::now() + patience_of(settings.limits.request);
        const bool speaks = co_await wait_for_a_byte(socket, until);
        if (!speaks) {
            ++counters.handshakes_failed;
            co_return;
        }
        Stream stream(std::move(socket), tls);
        error_code error;
        beast::get_lowest_layer(stream).expires_at(until);
        co_await stream.async_handshake(asio::ssl::stream_base::server, into(error));
        if (error) {
            ++counters.handshakes_failed;
            co_return;
        }
        const Peer peer{.address = address,
                        .certificate = subject_of_client(stream.native_handle())};
        beast::flat_buffer buffer;
        bool goes_on = true;
        while (goes_on) {
            goes_on = co_await serve_one(stream, buffer, peer);
            // 64 KiB after a body, which thousands of connections that wait would keep.
            if (buffer.size() == 0) buffer.shrink_to_fit();
        }
        beast::get_lowest_layer(stream).expires_after(kFarewell);
        co_await stream.async_shutdown(into(error));
    } catch (const std::exception& error) {
        spdlog::error("a connection of {}: {}", address, error.what());
    }
}

/// Whether the body must not come, as its head has it.
bool Server::Impl::refuse_body(bool chunked, std::uint64_t size, Response& refusal) const {
    Problem problem;
    if (chunked)
        problem = {.status = 411, .word = "length", .title = "A body must have a Content-Length"};
    else if (size > settings.limits.body)
        problem = {.status = 413,
                   .word = "size",
                   .title = "The body is larger than allowed",
                   .more = {{"limit", settings.limits.body}}};
    else
        return false;
    refusal = problem_response(problem);
    return true;
}

/// Takes a large body's bytes from those that there are for all, and for its address.
bool Server::Impl::take_body(const Peer& peer, std::uint64_t size, SharedLimit::Hold& hold,
                             Response& refusal) {
    if (size <= kSmallBody || hold.take(bodies, peer.address, size, true)) return true;
    refusal = problem_response({.status = 429,
                                .word = "busy",
                                .title = "Too many large bodies at once",
                                .retry_after = 5});
    return false;
}

/// One request and its answer. False: the connection ends.
awaitable<bool> Server::Impl::serve_one(Stream& stream, beast::flat_buffer& buffer,
                                        const Peer& peer) {
    error_code error;
    const std::chrono::seconds patience(settings.limits.request);
    http::request_parser<http::string_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(settings.limits.head));
    // The size is looked at below, before the body is read. Boost 1.74 refuses each where there is
    // no limit.
    parser.body_limit(std::numeric_limits<std::uint64_t>::max());
    auto& lowest = beast::get_lowest_layer(stream);
    lowest.expires_after(patience_of(settings.limits.idle));
    co_await http::async_read_header(stream, buffer, parser, into(error));
    Response refusal;
    if (error && refuse_head(error, refusal)) {
        const Ending ending{.version = kVersion};
        (void)co_await send(stream, refusal, ending, patience);
        co_return false;
    }
    if (error) co_return false;
    const auto began = Clock::now();
    const auto& head = parser.get();
    const unsigned version = head.version();
    Request request;
    request.method = std::string(head.method_string());
    request.certificate = peer.certificate;
    read_fields(head, request);

    // All that can be refused by the head alone is, before the body is read.
    const std::uint64_t size = parser.content_length().value_or(0);
    SharedLimit::Hold body;
    const std::string target(head.target());
    const Route* route = nullptr;
    // RFC 9112, 3.2.
    if (version == kVersion && head.count(http::field::host) != 1)
        refusal = problem_response({.status = 400, .word = "http", .title = "Not one Host"});
    else if (parse_target(target, request))
        route = find_route(routes, request, refusal);
    else
        refusal = problem_response({.status = 400, .word = "http", .title = "Not a path"});
    const bool with_body = request.method != "HEAD";
    if (route != nullptr &&
        (refuse_body(parser.chunked(), size, refusal) || !take_body(peer, size, body, refusal)))
        route = nullptr;
    if (route == nullptr) {
        count(refusal, began);
        const bool keep = size == 0 && !parser.chunked() && parser.keep_alive();
        const Ending ending{version, keep, with_body};
        const bool goes_on = co_await send(stream, refusal, ending, patience);
        co_return goes_on;
    }
    if (beast::iequals(head[http::field::expect], "100-continue")) {
        http::response<http::empty_body> go_on(http::status::continue_, version);
        co_await http::async_write(stream, go_on, into(error));
        if (error) co_return false;
    }
    const bool has_body = co_await read_body(stream, buffer, parser, patience);
    if (!has_body) co_return false;
    counters.bytes_in += size;
    const bool keep = parser.keep_alive();
    request.body = std::move(parser.get().body());
    lowest.expires_never();  // what takes its time now is not the client
    Response response = co_await run(*route, request);
    count(response, began);
    if (response.stream && with_body) {
        co_await send_events(stream, *route, request, response, version);
        co_return false;
    }
    const Ending ending{version, keep, with_body};
    const bool goes_on = co_await send(stream, response, ending, patience);
    co_return goes_on;
}

/// Server-sent events (WHATWG HTML, 9.2), to the end of the connection: who comes back says with
/// Last-Event-ID what it has.
awaitable<void> Server::Impl::send_events(Stream& stream, const Route& route, Request& request,
                                          Response& first, unsigned version) {
    http::response<http::empty_body> head(http::status::ok, version);
    set_fields(head, first);
    head.keep_alive(false);
    http::response_serializer<http::empty_body> serializer(head);
    auto& lowest = beast::get_lowest_layer(stream);
    const std::chrono::seconds patience(settings.limits.request);
    error_code error;
    lowest.expires_after(patience);
    co_await http::async_write_header(stream, serializer, into(error));
    Response response = std::move(first);
    for (int quiet = 0; !error && response.stream;) {
        std::string text = std::move(response.body);
        const bool came = !text.empty();
        if (!came && ++quiet % kHeartbeat == 0) text = ":\n\n";
        if (!text.empty()) {
            lowest.expires_after(patience);
            const auto bytes = asio::buffer(text);
            co_await asio::async_write(stream, bytes, into(error));
        }
        if (error) co_return;
        lowest.expires_never();
        request.fields["last-event-id"] = response.last_event;
        if (!came) {
            const auto executor = co_await asio::this_coro::executor;
            asio::steady_timer timer(executor, std::chrono::seconds(1));
            co_await timer.async_wait(into(error));
        }
        // With its role: a token that was revoked ends it.
        response = co_await on_worker(route, request);
    }
}

/// Asks again where there is nothing yet and the client would wait.
awaitable<Response> Server::Impl::run(const Route& route, Request& request) {
    const int wanted = std::min(std::atoi(request.parameter("wait").c_str()), kLongestWait);
    Response response = co_await on_worker(route, request);
    for (int second = 0; response.wait && second < wanted; ++second) {
        error_code error;
        const auto executor = co_await asio::this_coro::executor;
        asio::steady_timer timer(executor, std::chrono::seconds(1));
        co_await timer.async_wait(into(error));
        response = co_await on_worker(route, request);
    }
    co_return response;
}

awaitable<Response> Server::Impl::on_worker(const Route& route, Request& request) {
    Response response;
    if (!queue.take(1)) {
        response = too_many();
        co_return response;
    }
    const Budget::Hold place(queue, 1);
    auto work = [&, this](auto handler) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        asio::post(workers, [&, this, shared] {
            response = authorize_and_handle(route, request);
            asio::post(asio::get_associated_executor(*shared), [shared] { std::move (*shared)(); });
        });
    };
    co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(work,
                                                                          asio::use_awaitable);
    co_return response;
}

Response Server::Impl::authorize_and_handle(const Route& route, Request& request) {
    try {
        constexpr std::string_view kBearer = "Bearer ";
        const std::string& authorization = request.field("authorization");
        request.role = Role::kNobody;
        // A browser sends a certificate along with what another site has it send.
        const bool reads = route.method == std::string_view("GET");
        if (!request.certificate.empty() && (reads || request.is_of_this_site())) {
            request.role = Role::kOperator;
            request.who = request.certificate;
        } else if (route.role != Role::kNobody && authorization.starts_with(kBearer)) {
            const std::string digest = token_digest(authorization.substr(kBearer.size()));
            const auto token = find_token_by_digest(*service.database, digest);
            const bool metrics = route.pattern == std::string_view("/metrics");
            if (!token && metrics && is_of_store(token.error()) && metrics_readers.know(digest))
                return route.handle(request);
            if (!token) return problem_response(problem_of(token.error()));
            if (*token && (*token)->role == "operator") request.role = Role::kOperator;
            if (*token && (*token)->role == "reader") request.role = Role::kReader;
            if (*token) request.who = (*token)->label;
            if (metrics && request.role >= route.role)
                metrics_readers.remember(digest);
            else if (metrics)
                metrics_readers.forget(digest);
        }
        if (request.role >= route.role) return route.handle(request);
        const bool known = request.role != Role::kNobody;
        Response refusal =
            problem_response({.status = known ? 403u : 401u,
                              .word = "role",
                              .title = known ? "Readers cannot do this"
                                             : "A token or a client certificate is needed"});
        if (!known) refusal.fields.emplace_back("WWW-Authenticate", "Bearer");
        return refusal;
    } catch (const std::exception& error) {
        spdlog::error("{} {}: {}", route.method, route.pattern, error.what());
        return problem_response(
            {.status = 500, .word = "internal", .title = "A fault of this program"});
    }
}

void Server::Impl::count(const Response& response, Clock::time_point began) {
    ++counters.answers[std::min(response.status / 100, 5u)];
    const std::chrono::duration<double> taken = Clock::now() - began;
    std::size_t place = 0;
    while (place < ServerCounters::kBounds.size() && taken.count() > ServerCounters::kBounds[place])
        ++place;
    ++counters.durations[place];
    counters.duration_us += static_cast<std::uint64_t>(taken.count() * 1e6);
}

Server::Server(Service& service) : impl_(std::make_unique<Impl>(service)) {}

Server::~Server() { stop(); }

void Server::set_routes(std::vector<Route> routes) { impl_->routes = std::move(routes); }

Result<unsigned> Server::start() {
    if (auto done =
            prepare_tls(*impl_->tls.native_handle(), impl_->service.certificate, impl_->settings);
        !done)
        return std::unexpected(done.error());
    error_code error;
    const auto address = asio::ip::make_address(impl_->settings.listen.address, error);
    if (error)
        return fail("not an IP address: " + impl_->settings.listen.address, "[listen] address");
    const tcp::endpoint at(address, static_cast<unsigned short>(impl_->settings.listen.port));
    tcp::acceptor& acceptor = impl_->acceptor;
    (void)acceptor.open(at.protocol(), error);
    if (!error) (void)acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error && address.is_v6() && address.is_unspecified())
        (void)acceptor.set_option(asio::ip::v6_only(false), error);
    if (!error) (void)acceptor.bind(at, error);
    if (!error) (void)acceptor.listen(4096, error);
    if (error)
        return fail("cannot listen on " + impl_->settings.listen.address + " port " +
                        std::to_string(impl_->settings.listen.port) + ": " + error.message(),
                    "[listen]");
    asio::co_spawn(impl_->io, impl_->accept(), asio::detached);
    for (unsigned i = 0; i < Impl::cpus(); ++i)
        impl_->threads.emplace_back([this] { impl_->io.run(); });
    return acceptor.local_endpoint().port();
}

void Server::stop() {
    impl_->io.stop();
    impl_->threads.clear();
    // What runs still has a coroutine to go back to: it is destroyed with `io`, after this.
    impl_->workers.join();
}

const ServerCounters& Server::counters() const { return impl_->counters; }
std::uint64_t Server::connections() const { return impl_->connections.taken(); }
std::uint64_t Server::queue_length() const { return impl_->queue.taken(); }

}  // namespace keyscribe::verifier
