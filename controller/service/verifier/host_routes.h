// SPDX-License-Identifier: Apache-2.0
// What hosts and relying parties ask: enrolment, the challenge-response API of RATS verifiers,
// results. API.md has the messages.
#pragma once

#include <vector>

#include "controller/service/verifier/http.h"
#include "controller/service/verifier/service.h"

namespace keyscribe::verifier {

std::vector<Route> host_routes(Service& service);

}  // namespace keyscribe::verifier
