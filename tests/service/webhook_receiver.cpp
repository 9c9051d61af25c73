// SPDX-License-Identifier: Apache-2.0
#include "tests/service/webhook_receiver.h"

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <mutex>
#include <random>
#include <thread>

namespace keyscribe::testing {

namespace asio = boost::asio;
namespace http = boost::beast::http;

struct WebhookReceiver::State {
    asio::io_context io;
    asio::ip::tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), 0}};
    mutable std::mutex mutex;
    Received got;
    std::minstd_rand random{1};
    std::atomic<bool> ends = false;
    std::jthread thread;

    void serve() {
        while (!ends) try {
                asio::ip::tcp::socket socket(io);
                acceptor.accept(socket);
                answer(socket);
            } catch (const std::exception&) {
                // Who sends was killed meanwhile.
            }
    }
    void answer(asio::ip::tcp::socket& socket) {
        boost::beast::flat_buffer buffer;
        http::request<http::string_body> request;
        http::read(socket, buffer, request);
        const auto event = nlohmann::json::parse(request.body());
        const long long id = std::stoll(event["id"].get<std::string>());
        // One of 50 is refused, and of another one nobody learns that it came.
        const auto fate = random() % 50;
        {
            const std::lock_guard lock(mutex);
            if (fate == 0) {
                ++got.refused;
            } else if (!got.events.try_emplace(id, event).second) {
                ++got.repeated;
            } else if (got.events.rbegin()->first != id) {
                got.in_order = false;
            }
        }
        if (fate == 1) return;
        http::response<http::empty_body> response(
            fate == 0 ? http::status::service_unavailable : http::status::no_content, 11);
        response.prepare_payload();
        http::write(socket, response);
    }
};

WebhookReceiver::WebhookReceiver() : state_(std::make_unique<State>()) {
    state_->thread = std::jthread([state = state_.get()] { state->serve(); });
}

WebhookReceiver::~WebhookReceiver() {
    state_->ends = true;
    asio::ip::tcp::socket last(state_->io);
    boost::system::error_code ignored;
    (void)last.connect(state_->acceptor.local_endpoint(), ignored);
}

std::string WebhookReceiver::url() const {
    return "http://127.0.0.1:" + std::to_string(state_->acceptor.local_endpoint().port()) + "/hook";
}

WebhookReceiver::Received WebhookReceiver::received() const {
    const std::lock_guard lock(state_->mutex);
    return state_->got;
}

std::size_t WebhookReceiver::count() const {
    const std::lock_guard lock(state_->mutex);
    return state_->got.events.size();
}

}  // namespace keyscribe::testing
