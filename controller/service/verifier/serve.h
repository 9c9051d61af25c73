// SPDX-License-Identifier: Apache-2.0
// The running service: waits for its database, tells its tokens once, serves until SIGTERM or
// SIGINT.
#pragma once

#include "controller/service/verifier/http.h"
#include "controller/service/verifier/metrics.h"

namespace keyscribe::verifier {

/// Everything that a verifier answers.
std::vector<Route> all_routes(Service& service, const Server& server,
                              const WebhookCounters& webhook);

/// The first operator's token and an enrolment token of group "default", where there are none yet:
/// what is to be printed, once. Empty: there are.
Result<std::string> first_tokens(Service& service);

/// Further routes, of what this folder does not know. Error: what they need of the database is not
/// there.
using MoreRoutes = std::function<Result<std::vector<Route>>(Service&)>;

/// Runs until it is told to end. Returns the exit status: 78 (EX_CONFIG) for what a restart does
/// not mend.
int serve(const Settings& settings, const MoreRoutes& more);

}  // namespace keyscribe::verifier
