// SPDX-License-Identifier: Apache-2.0
// Messages go from the outbox to a listener that fails, is away, and comes back.
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <soci/soci.h>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <thread>

#include "controller/service/verifier/webhook.h"
#include "verifier_fleet.h"

namespace keyscribe::verifier {
namespace verifier_webhook_test {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using testing::FleetHost;

/// Takes one request and answers it.
class Listener {
  public:
    explicit Listener(unsigned short port = 0)
        : acceptor_(io_, tcp::endpoint(asio::ip::address_v4::loopback(), port)) {}
    unsigned short port() const { return acceptor_.local_endpoint().port(); }

    http::request<http::string_body> take(unsigned status) {
        tcp::socket socket(io_);
        acceptor_.accept(socket);
        boost::beast::flat_buffer buffer;
        http::request<http::string_body> request;
        http::read(socket, buffer, request);
        http::response<http::string_body> response(static_cast<http::status>(status), 11);
        response.prepare_payload();
        http::write(socket, response);
        return request;
    }

  private:
    asio::io_context io_;
    tcp::acceptor acceptor_;
};

class FleetWebhook : public Fleet {
  protected:
    void SetUp() override {
        Fleet::SetUp();
        url_ = "http://127.0.0.1:" + std::to_string(listener_->port()) + "/hook?key=hidden";
        settings_.webhook.urls = {url_};
        settings_.webhook.secret = "shared";
        service_ = open();
    }
    /// As if the time of the next try had come.
    void make_due() {
        ASSERT_TRUE(service_->database->write([](soci::session& session) -> Result<void> {
            session << "update outbox set next_try = 0";
            return {};
        }));
    }

    std::string url_;
    std::unique_ptr<Listener> listener_ = std::make_unique<Listener>();
    WebhookCounters counters_;
};
FLEET_ON_BOTH_ENGINES(FleetWebhook);

TEST_P(FleetWebhook, AreDeliveredInOrderAndAgainUntilTheyAre) {
    enrol(FleetHost("web"));  // "waiting", then "enrolled"
    ASSERT_EQ(*outbox_length(*service_->database), 2);
    std::vector<http::request<http::string_body>> got;
    {
        const std::jthread answers([&] { got.push_back(listener_->take(500)); });
        EXPECT_EQ(*send_outbox(*service_, url_, counters_), 0);
    }
    EXPECT_EQ(counters_.failed, 1u);
    ASSERT_EQ(*outbox_length(*service_->database), 2);
    // Nothing is due: the second does not overtake the first.
    EXPECT_EQ(*send_outbox(*service_, url_, counters_), 0);
    make_due();
    {
        const std::jthread answers([&] {
            got.push_back(listener_->take(200));
            got.push_back(listener_->take(204));
        });
        EXPECT_EQ(*send_outbox(*service_, url_, counters_), 2);
    }
    EXPECT_EQ(*outbox_length(*service_->database), 0);
    ASSERT_EQ(got.size(), 3u);
    EXPECT_EQ(got[0].body(), got[1].body());
    const auto first = nlohmann::json::parse(got[1].body());
    const auto second = nlohmann::json::parse(got[2].body());
    EXPECT_EQ(first["specversion"], "1.0");
    EXPECT_EQ(first["type"], "org.keyscribe.host.waiting");
    EXPECT_EQ(second["type"], "org.keyscribe.host.enrolled");
    EXPECT_EQ(second["data"]["name"], "web");
    EXPECT_EQ(got[1].at("content-type"), "application/cloudevents+json; charset=utf-8");
    std::array<std::uint8_t, 32> digest{};
    unsigned size = 0;
    ::HMAC(EVP_sha256(), "shared", 6, reinterpret_cast<const unsigned char*>(got[1].body().data()),
           got[1].body().size(), digest.data(), &size);
    EXPECT_EQ(got[1].at("X-Keyscribe-Signature"), "sha256=" + to_hex(digest));
}

TEST_P(FleetWebhook, AreKeptWhileNobodyListens) {
    const unsigned short port = listener_->port();
    listener_.reset();
    enrol(FleetHost("web"));
    EXPECT_EQ(*send_outbox(*service_, url_, counters_), 0);
    EXPECT_EQ(*outbox_length(*service_->database), 2);
    listener_ = std::make_unique<Listener>(port);
    make_due();
    {
        const std::jthread answers([&] {
            listener_->take(200);
            listener_->take(200);
        });
        EXPECT_EQ(*send_outbox(*service_, url_, counters_), 2);
    }
    EXPECT_EQ(*outbox_length(*service_->database), 0);
}

TEST_P(FleetWebhook, TwoProcessesSendEachOnce) {
    for (int i = 0; i < 5; ++i) enrol(FleetHost("web-" + std::to_string(i), true));
    const auto other = open();
    std::atomic<int> sent = 0;
    std::jthread answers([&] {
        for (int i = 0; i < 10; ++i) listener_->take(200);
    });
    const auto send = [&](Service& service) {
        while (*outbox_length(*service.database) != 0)
            sent += *send_outbox(service, url_, counters_);
    };
    {
        const std::jthread first([&] { send(*service_); });
        const std::jthread second([&] { send(*other); });
    }
    EXPECT_EQ(sent, 10);
}

TEST_P(FleetWebhook, NameTheirReceiverAndTheDatabaseThatTheyAreOf) {
    enrol(FleetHost("web"));
    std::vector<http::request<http::string_body>> got;
    {
        const std::jthread answers([&] {
            got.push_back(listener_->take(200));
            got.push_back(listener_->take(200));
        });
        EXPECT_EQ(*send_outbox(*service_, url_, counters_), 2);
    }
    EXPECT_EQ(got[0].at("host"), "127.0.0.1:" + std::to_string(listener_->port()));
    EXPECT_EQ(got[0].target(), "/hook?key=hidden");
    // CloudEvents 1.0: source and id are one event's alone. Both databases count from 1.
    const auto source = [](const auto& request) {
        return nlohmann::json::parse(request.body())["source"].template get<std::string>();
    };
    EXPECT_EQ(source(got[0]), source(got[1]));
    settings_.store.url = testing::new_database(GetParam());
    service_ = open();
    token_ = *create_token(*service_->database, {.role = "enrol", .group = "default"});
    prove(FleetHost("web"));
    {
        const std::jthread answers([&] { got.push_back(listener_->take(200)); });
        EXPECT_EQ(*send_outbox(*service_, url_, counters_), 1);
    }
    EXPECT_NE(source(got[0]), source(got[2]));
}

TEST_P(FleetWebhook, AReceiversSecretIsInNoMessage) {
    const unsigned short port = listener_->port();
    listener_.reset();
    const auto away = post_event(url_, "{}", "");
    ASSERT_FALSE(away);
    EXPECT_EQ(to_string(away.error()).find("hidden"), std::string::npos);
    listener_ = std::make_unique<Listener>(port);
    const std::jthread answers([&] { listener_->take(500); });
    const auto refused = post_event(url_, "{}", "");
    ASSERT_FALSE(refused);
    EXPECT_EQ(to_string(refused.error()),
              "http://127.0.0.1:" + std::to_string(port) + ": answered 500");
}

/// 1, 2, 4 ... s, and never more than five minutes.
TEST_P(FleetWebhook, IsTriedMoreAndMoreRarely) {
    settings_.webhook.urls = {"http://127.0.0.1:9/away"};
    service_ = open();
    enrol(FleetHost("web"));
    long long before = 0;
    for (int attempt = 0; attempt < 12; ++attempt) {
        make_due();
        const long long began = now();
        EXPECT_EQ(*send_outbox(*service_, settings_.webhook.urls[0], counters_), 0);
        long long next = 0;
        ASSERT_TRUE(service_->database->read([&](soci::session& session) -> Result<void> {
            session << "select max(next_try) from outbox", soci::into(next);
            return {};
        }));
        const long long pause = next - began;
        const long long wanted = std::min(300LL, 1LL << attempt);
        EXPECT_GE(pause, wanted) << attempt;
        EXPECT_LE(pause, wanted + (now() - began)) << attempt;
        EXPECT_GE(pause, before) << attempt;
        before = std::min(pause, 300LL);
    }
}

TEST_P(FleetWebhook, OneThatIsAwayHoldsUpNoOther) {
    settings_.webhook.urls = {"http://127.0.0.1:9/away", url_};
    service_ = open();
    enrol(FleetHost("web"));
    EXPECT_EQ(*send_outbox(*service_, settings_.webhook.urls[0], counters_), 0);
    const std::jthread answers([&] {
        listener_->take(200);
        listener_->take(200);
    });
    EXPECT_EQ(*send_outbox(*service_, url_, counters_), 2);
    EXPECT_EQ(*outbox_length(*service_->database), 2);
}

TEST_P(FleetWebhook, WhatNobodySendsAnyMoreIsThrownAwayAfterADay) {
    settings_.webhook.urls = {"https://former.example/hook", url_};
    service_ = open();
    enrol(FleetHost("web"));
    const auto age = [&](long long seconds) {
        const long long then = now() - seconds;
        ASSERT_TRUE(service_->database->write([&](soci::session& session) -> Result<void> {
            session << "update outbox set next_try = :then", soci::use(then);
            return {};
        }));
    };
    age(2 * 86400);
    EXPECT_TRUE(drop_abandoned(*service_));
    EXPECT_EQ(*outbox_length(*service_->database), 4);
    settings_.webhook.urls = {url_};
    service_ = open();
    age(86000);  // another process may send to it
    EXPECT_TRUE(drop_abandoned(*service_));
    EXPECT_EQ(*outbox_length(*service_->database), 4);
    age(2 * 86400);
    EXPECT_TRUE(drop_abandoned(*service_));
    EXPECT_EQ(*outbox_length(*service_->database), 2);
}

}  // namespace verifier_webhook_test
}  // namespace keyscribe::verifier
