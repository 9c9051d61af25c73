// SPDX-License-Identifier: Apache-2.0
// Takes CloudEvents, and refuses some.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

namespace keyscribe::testing {

class WebhookReceiver {
  public:
    WebhookReceiver();
    ~WebhookReceiver();

    std::string url() const;
    /// What came and was accepted, by its id, in the order of the first time.
    struct Received {
        std::map<long long, nlohmann::json> events;
        bool in_order = true;  ///< none came after one with a greater id for the first time
        std::size_t repeated = 0, refused = 0;
    };
    Received received() const;
    std::size_t count() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace keyscribe::testing
