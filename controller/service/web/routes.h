// SPDX-License-Identifier: Apache-2.0
// The paths of the pages. They share nothing with the API but its queries: a bearer token opens no
// page, and a cookie no path of the API.
#pragma once

#include <vector>

#include "controller/service/verifier/http.h"
#include "controller/service/verifier/service.h"

namespace keyscribe::web {

/// Error: the database is away.
Result<std::vector<verifier::Route>> routes(verifier::Service& service);

}  // namespace keyscribe::web
