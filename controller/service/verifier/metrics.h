// SPDX-License-Identifier: Apache-2.0
// What Prometheus reads, and whether this process can work.
#pragma once

#include <string>
#include <vector>

#include "controller/service/verifier/http.h"
#include "controller/service/verifier/server.h"
#include "controller/service/verifier/webhook.h"

namespace keyscribe::verifier {

/// In Prometheus' text format 0.0.4. Of hosts and the outbox only where the database answers.
std::string metrics_text(Service& service, const Server& server, const WebhookCounters& webhook);

/// GET /metrics, /healthz
std::vector<Route> metrics_routes(Service& service, const Server& server,
                                  const WebhookCounters& webhook);

}  // namespace keyscribe::verifier
