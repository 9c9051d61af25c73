// SPDX-License-Identifier: Apache-2.0
#include "tests/service/proxy.h"

#include <sys/socket.h>

#include <array>
#include <boost/asio.hpp>
#include <set>
#include <thread>
#include <utility>

namespace keyscribe::testing {

namespace asio = boost::asio;
using Protocol = asio::generic::stream_protocol;
using boost::system::error_code;

namespace {

struct Pair : std::enable_shared_from_this<Pair> {
    explicit Pair(asio::io_context& io) : sides{Protocol::socket(io), Protocol::socket(io)} {}

    void pump(std::size_t from) {
        const auto self = shared_from_this();
        sides[from].async_read_some(
            asio::buffer(buffers[from]), [self, from](const error_code& error, std::size_t size) {
                if (error) return self->close();
                asio::async_write(self->sides[1 - from],
                                  asio::buffer(self->buffers[from].data(), size),
                                  [self, from](const error_code& failed, std::size_t) {
                                      failed ? self->close() : self->pump(from);
                                  });
            });
    }
    void close() {
        error_code ignored;
        for (Protocol::socket& side : sides) (void)side.close(ignored);
    }
    /// As a host that falls off the net: what is not sent yet is thrown away.
    void reset() {
        error_code ignored;
        for (Protocol::socket& side : sides)
            if (side.is_open()) side.set_option(asio::socket_base::linger(true, 0), ignored);
        close();
    }

    std::array<Protocol::socket, 2> sides;
    std::array<std::array<char, 16384>, 2> buffers{};
};

}  // namespace

struct Proxy::State {
    State(const Protocol::endpoint& at, Protocol::endpoint to)
        : acceptor(io, at), target(std::move(to)) {
        accept();
        thread = std::jthread([this] { io.run(); });
    }
    ~State() { io.stop(); }

    void accept() {
        const auto pair = std::make_shared<Pair>(io);
        acceptor.async_accept(pair->sides[0], [this, pair](const error_code& error) {
            if (error) return;
            accept();
            std::erase_if(pairs, [](const auto& one) { return one.expired(); });
            pairs.insert(pair);
            pair->sides[1].async_connect(target, [pair](const error_code& failed) {
                if (failed) return pair->close();
                error_code ignored;  // of Unix sockets, which have no such option
                for (Protocol::socket& side : pair->sides)
                    (void)side.set_option(asio::ip::tcp::no_delay(true), ignored);
                pair->pump(0);
                pair->pump(1);
            });
        });
    }

    asio::io_context io;
    asio::basic_socket_acceptor<Protocol> acceptor;
    Protocol::endpoint target;
    std::set<std::weak_ptr<Pair>, std::owner_less<>> pairs;
    std::jthread thread;
};

Proxy::Proxy(std::unique_ptr<State> state) : state_(std::move(state)) {}
Proxy::~Proxy() = default;

std::unique_ptr<Proxy> Proxy::of_port(unsigned to) {
    const auto at = [](unsigned port) {
        return asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(),
                                       static_cast<unsigned short>(port));
    };
    return std::unique_ptr<Proxy>(new Proxy(std::make_unique<State>(at(0), at(to))));
}

std::unique_ptr<Proxy> Proxy::of_socket(const std::string& at, const std::string& to) {
    using Endpoint = asio::local::stream_protocol::endpoint;
    return std::unique_ptr<Proxy>(new Proxy(std::make_unique<State>(Endpoint(at), Endpoint(to))));
}

unsigned Proxy::port() const {
    const Protocol::endpoint here = state_->acceptor.local_endpoint();
    return ntohs(reinterpret_cast<const sockaddr_in*>(here.data())->sin_port);
}

void Proxy::cut() {
    asio::post(state_->io, [state = state_.get()] {
        for (const auto& one : state->pairs)
            if (const auto pair = one.lock()) pair->reset();
        state->pairs.clear();
    });
}

}  // namespace keyscribe::testing
