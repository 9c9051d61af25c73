// SPDX-License-Identifier: Apache-2.0
// Sends what lies in the outbox: CloudEvents 1.0 in structured mode, each at least once, in order
// for each address, and again with back-off until the answer is 2xx.
#pragma once

#include <atomic>

#include "controller/service/verifier/service.h"

namespace keyscribe::verifier {

struct WebhookCounters {
    std::atomic<std::uint64_t> sent = 0, failed = 0;
};

/// Sends what is due now for one of [webhook] urls: a receiver that is slow holds up no other one.
/// Returns how many were delivered. Two processes do not send the same message at once: who sends
/// it has put its next try off first.
Result<int> send_outbox(Service& service, const std::string& url, WebhookCounters& counters);

/// Throws messages away whose address is not in the settings, and which no other process has tried
/// for a day.
Result<void> drop_abandoned(Service& service);

/// How many messages wait.
Result<std::int64_t> outbox_length(Database& database);

/// POSTs `body` to `url` within 10 s. Error: no answer, or one that is not 2xx;
/// it does not have path and query, which may be the receiver's secret.
Result<void> post_event(const std::string& url, const std::string& body, const std::string& secret);

}  // namespace keyscribe::verifier
