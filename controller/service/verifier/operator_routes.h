// SPDX-License-Identifier: Apache-2.0
// What operators and readers ask: hosts, keys, changes, references, enrolments.
#pragma once

#include <vector>

#include "controller/service/verifier/http.h"
#include "controller/service/verifier/service.h"

namespace keyscribe::verifier {

std::vector<Route> operator_routes(Service& service);

}  // namespace keyscribe::verifier
